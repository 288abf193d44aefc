// Play a scenario: publish commands, follow invoices to their ends, rebuild every status. With franz-go and the
// CloudEvents SDK.
//
//	REDLETTER_KAFKA_BOOTSTRAP_SERVERS=localhost:9092 go run . ../scenario.json
package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	cloudevents "github.com/cloudevents/sdk-go/v2/event"
	"github.com/twmb/franz-go/pkg/kgo"
)

const source = "urn:example:go"

var within, _ = context.WithTimeout(context.Background(), 5*time.Minute)

type step struct {
	Type, Topic, Mode, ID string
	Data                  map[string]any
}

func connect(options ...kgo.Opt) *kgo.Client {
	brokers := kgo.SeedBrokers(strings.Split(os.Getenv("REDLETTER_KAFKA_BOOTSTRAP_SERVERS"), ",")...)
	return must(kgo.NewClient(append(options, brokers)...))
}

// reader reads the committed records of a topic, from the first one on.
func reader(topic string) *kgo.Client {
	return connect(kgo.ConsumeTopics(topic), kgo.FetchIsolationLevel(kgo.ReadCommitted()))
}

// first returns the first event that is wanted. It polls one at a time: what a poll returns is not returned again.
func first(client *kgo.Client, wanted func(event cloudevents.Event, body map[string]any) bool) map[string]any {
	for {
		fetches := client.PollRecords(within, 1)
		must(0, fetches.Err())
		for _, record := range fetches.Records() {
			event, body := read(record), map[string]any{}
			must(0, event.DataAs(&body))
			if wanted(event, body) {
				return body
			}
		}
	}
}

// replied publishes a command and returns its reply. If none comes, the same id may be sent again: it is done once.
func replied(producer, replies *kgo.Client, command step) map[string]any {
	event := cloudevents.New()
	event.SetID(command.ID)
	event.SetSource(source)
	event.SetType("redletter.invoice." + command.Type + ".v1")
	must(0, event.SetData("application/json", command.Data))
	record := write(event, command.Mode == "structured")
	record.Topic, record.Key = command.Topic, fmt.Append(nil, command.Data["invoice_number"])
	must(0, producer.ProduceSync(within, record).FirstErr())
	return first(replies, func(event cloudevents.Event, reply map[string]any) bool {
		return event.Extensions()["causationid"] == command.ID && reply["command_source"] == source
	})
}

func main() {
	var scenario struct {
		Commands []step
		Follow   map[string]string
	}
	must(0, json.Unmarshal(must(os.ReadFile(os.Args[1])), &scenario))
	producer, replies := connect(), reader("invoice.replies")
	for _, command := range scenario.Commands {
		reply := replied(producer, replies, command)
		fmt.Print(command.Type, " ", cmp.Or(reply["status"], reply["code"]))
		fmt.Println(map[any]string{true: " replayed"}[reply["replayed"]])
	}
	for _, number := range slices.Sorted(maps.Keys(scenario.Follow)) {
		var version any
		first(reader("invoice.events"), func(event cloudevents.Event, _ map[string]any) bool {
			name := strings.Split(event.Type(), ".")[2]
			if event.Subject() == number {
				version = event.Extensions()["invoiceversion"]
				fmt.Println(number, version, name)
			}
			return event.Subject() == number && name == scenario.Follow[number]
		})
		statuses := map[any]map[string]any{} // as a service does that joins late: every one from one compacted topic
		first(reader("invoice.status"), func(_ cloudevents.Event, document map[string]any) bool {
			statuses[document["invoice_number"]] = document
			return fmt.Sprint(statuses[number]["version"]) == version
		})
		fmt.Println(number, "rebuilt:", statuses[number]["status"].(map[string]any)["code"])
	}
}
