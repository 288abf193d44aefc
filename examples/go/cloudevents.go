package main

import (
	"encoding/json"
	"strings"

	"github.com/cloudevents/sdk-go/v2/binding/spec"
	cloudevents "github.com/cloudevents/sdk-go/v2/event"
	"github.com/cloudevents/sdk-go/v2/types"
	"github.com/twmb/franz-go/pkg/kgo"
)

// The CloudEvents SDK binds sarama and confluent-kafka-go; this is its binding for franz-go.
var attributes = spec.WithPrefix("ce_").Latest()

// read makes an event of a record in binary mode, as Redletter writes them.
func read(record *kgo.Record) cloudevents.Event {
	event := cloudevents.New()
	for _, header := range record.Headers {
		if header.Key == "content-type" {
			event.SetDataContentType(string(header.Value))
		} else if attribute := attributes.Attribute(header.Key); attribute != nil {
			must(0, attribute.Set(event.Context, string(header.Value)))
		} else if name, isExtension := strings.CutPrefix(header.Key, "ce_"); isExtension {
			event.SetExtension(name, string(header.Value))
		}
	}
	event.DataEncoded = record.Value
	return event
}

// write makes a record of an event, in either mode. Its topic and key are left to the caller.
func write(event cloudevents.Event, structured bool) *kgo.Record {
	if structured {
		contentType := kgo.RecordHeader{Key: "content-type", Value: []byte(cloudevents.ApplicationCloudEventsJSON)}
		return &kgo.Record{Headers: []kgo.RecordHeader{contentType}, Value: must(json.Marshal(event))}
	}
	headers := []kgo.RecordHeader{{Key: "content-type", Value: []byte(event.DataContentType())}}
	for _, attribute := range attributes.Attributes() {
		if value := attribute.Get(event.Context); value != nil && attribute.Kind() != spec.DataContentType {
			headers = append(headers, kgo.RecordHeader{Key: attribute.PrefixedName(), Value: []byte(must(types.Format(value)))})
		}
	}
	return &kgo.Record{Headers: headers, Value: event.Data()}
}

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}
