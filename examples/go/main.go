// Register an invoice (in structured mode, which the CloudEvents SDK writes), return it (in binary mode: headers are the
// attributes, the value is the body), follow it to its end, and rebuild every status: with franz-go.
//
//	REDLETTER_KAFKA_BOOTSTRAP_SERVERS=localhost:9092 go run . 26312000000000000001
package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"time"

	cloudevents "github.com/cloudevents/sdk-go/v2/event"
	"github.com/twmb/franz-go/pkg/kgo"
)

const source = "urn:example:go"
var within, _ = context.WithTimeout(context.Background(), time.Minute)
var producer = connect()

func connect(options ...kgo.Opt) *kgo.Client {
	brokers := kgo.SeedBrokers(strings.Split(os.Getenv("REDLETTER_KAFKA_BOOTSTRAP_SERVERS"), ",")...)
	return must(kgo.NewClient(append(options, brokers)...))
}

// follow reads the committed records of a topic, from the first one on, until one is the last.
func follow(topic string, isLast func(headers map[string]string, body map[string]any) bool) {
	client := connect(kgo.ConsumeTopics(topic), kgo.FetchIsolationLevel(kgo.ReadCommitted()))
	defer client.Close()
	for {
		fetches := client.PollFetches(within)
		must(0, fetches.Err())
		for _, record := range fetches.Records() {
			headers, body := map[string]string{}, map[string]any{}
			for _, header := range record.Headers {
				headers[header.Key] = string(header.Value)
			}
			must(0, json.Unmarshal(record.Value, &body))
			if isLast(headers, body) {
				return
			}
		}
	}
}

// replied publishes a command and prints its reply. If none comes, the same id may be sent again: it is done once.
func replied(name, id string, record *kgo.Record) {
	must(0, producer.ProduceSync(within, record).FirstErr())
	follow("invoice.replies", func(headers map[string]string, reply map[string]any) bool {
		mine := headers["ce_causationid"] == id && reply["command_source"] == source
		if mine {
			fmt.Println(name, cmp.Or(reply["status"], reply["code"]))
		}
		return mine
	})
}

func main() {
	number := os.Args[1]
	command := cloudevents.New()
	command.SetID("register-" + number)
	command.SetSource(source)
	command.SetType("redletter.invoice.RegisterInvoice.v1")
	must(0, command.SetData("application/json", json.RawMessage(fmt.Sprintf(`{
		"invoice_number": "%s", "account_id": "acme", "kind": "general", "issued_on": "2026-02-01",
		"seller": {"name": "Cloud Company", "tax_id": "91330106MA2CFLDG4R"}, "buyer": {"name": "Li Wei"},
		"net_amount": "100.00", "tax_amount": "6.00", "total_amount": "106.00",
		"charges": [{"charge_id": "%s-ecs", "amount": "106.00"}]}`, number, number))))
	replied("RegisterInvoice", command.ID(), &kgo.Record{
		Topic: "invoice.commands.billing", Key: []byte(number), Value: must(json.Marshal(command)),
		Headers: []kgo.RecordHeader{{Key: "content-type", Value: []byte("application/cloudevents+json")}}})
	replied("RequestReturn", "return-"+number, &kgo.Record{
		Topic: "invoice.commands.customer", Key: []byte(number),
		Value: fmt.Appendf(nil, `{"invoice_number": "%s", "account_id": "acme", "reason": "wrong_amount"}`, number),
		Headers: []kgo.RecordHeader{{Key: "ce_specversion", Value: []byte("1.0")}, {Key: "ce_id", Value: []byte("return-" + number)},
			{Key: "ce_source", Value: []byte(source)}, {Key: "ce_type", Value: []byte("redletter.invoice.RequestReturn.v1")}}})
	follow("invoice.events", func(headers map[string]string, _ map[string]any) bool {
		name := strings.Split(headers["ce_type"], ".")[2]
		if headers["ce_subject"] == number {
			fmt.Println(headers["ce_invoiceversion"], name)
		}
		return headers["ce_subject"] == number && name == "InvoiceReturned"
	})
	statuses := map[any]any{} // as a service does that joins late: every status from one compacted topic
	follow("invoice.status", func(_ map[string]string, document map[string]any) bool {
		statuses[document["invoice_number"]] = document["status"].(map[string]any)["code"]
		return statuses[number] == "returned"
	})
	fmt.Println("rebuilt", statuses[number])
}

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}
