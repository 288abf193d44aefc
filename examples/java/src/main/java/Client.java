import com.fasterxml.jackson.databind.*;
import io.cloudevents.CloudEvent;
import io.cloudevents.core.builder.CloudEventBuilder;
import io.cloudevents.jackson.JsonFormat;
import io.cloudevents.kafka.*;
import java.io.*;
import java.net.URI;
import java.time.*;
import java.util.*;
import java.util.function.Predicate;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.*;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.*;

/**
 * Play a scenario: publish commands, follow invoices to their ends, rebuild every status. With Kafka's client and the
 * CloudEvents SDK.
 * <pre>mvn package; REDLETTER_KAFKA_BOOTSTRAP_SERVERS=localhost:9092 java -jar target/client.jar ../scenario.json</pre>
 */
class Client {
    static final String KAFKA = System.getenv("REDLETTER_KAFKA_BOOTSTRAP_SERVERS");
    static final URI SOURCE = URI.create("urn:example:java");
    static final ObjectMapper JSON = new ObjectMapper();
    static final Instant END = Instant.now().plus(Duration.ofMinutes(5));

    /** All partitions of a topic, committed records only, from the first one on, one at a time. */
    static KafkaConsumer<String, CloudEvent> consumerOf(String topic) {
        Map<String, Object> settings = Map.of("bootstrap.servers", KAFKA, "isolation.level", "read_committed",
            "max.poll.records", 1); // what a poll returns is not returned again, whoever stops at the first
        var consumer = new KafkaConsumer<>(settings, new StringDeserializer(), new CloudEventDeserializer());
        consumer.assign(consumer.partitionsFor(topic).stream().map(p -> new TopicPartition(topic, p.partition())).toList());
        consumer.seekToBeginning(consumer.assignment());
        return consumer;
    }

    static CloudEvent first(KafkaConsumer<String, CloudEvent> consumer, Predicate<CloudEvent> wanted) {
        while (Instant.now().isBefore(END))
            for (var record : consumer.poll(Duration.ofSeconds(1))) if (wanted.test(record.value())) return record.value();
        throw new IllegalStateException("not at its end within 5 minutes");
    }

    /** Publish a command and return its reply. If none comes, the same id may be sent again: it is done once. */
    static JsonNode replied(KafkaConsumer<String, CloudEvent> replies, JsonNode step) throws IOException {
        String id = step.path("id").asText(), number = step.path("data").path("invoice_number").asText();
        CloudEvent command = CloudEventBuilder.v1().withId(id).withSource(SOURCE)
            .withType("redletter.invoice." + step.path("type").asText() + ".v1")
            .withData("application/json", JSON.writeValueAsBytes(step.path("data"))).build();
        var serializer = new CloudEventSerializer();
        serializer.configure(Map.of("cloudevents.serializer.encoding", step.path("mode").asText().toUpperCase(),
            "cloudevents.serializer.event_format", JsonFormat.CONTENT_TYPE), false);
        try (var producer = new KafkaProducer<>(Map.of("bootstrap.servers", KAFKA), new StringSerializer(), serializer)) {
            producer.send(new ProducerRecord<>(step.path("topic").asText(), number, command));
        }
        return body(first(replies, event -> id.equals(event.getExtension("causationid"))
            && SOURCE.toString().equals(body(event).path("command_source").asText())));
    }

    /** Print an invoice's events up to the last one; return its version. */
    static String followed(String number, String last) {
        try (var events = consumerOf("invoice.events")) {
            return first(events, event -> {
                if (!number.equals(event.getSubject())) return false;
                String name = event.getType().split("\\.")[2];
                System.out.println(number + " " + event.getExtension("invoiceversion") + " " + name);
                return name.equals(last);
            }).getExtension("invoiceversion").toString();
        }
    }

    /** Return a status as a service does that joins late: every one from one compacted topic. */
    static String rebuilt(String number, String version) {
        Map<String, JsonNode> statuses = new HashMap<>();
        try (var late = consumerOf("invoice.status")) {
            first(late, event -> {
                statuses.put(event.getSubject(), body(event));
                return statuses.containsKey(number) && statuses.get(number).path("version").asText().equals(version);
            });
        }
        return statuses.get(number).path("status").path("code").asText();
    }

    static JsonNode body(CloudEvent event) {
        try { return JSON.readTree(event.getData().toBytes()); }
        catch (IOException error) { throw new UncheckedIOException(error); }
    }

    public static void main(String[] arguments) throws IOException {
        JsonNode scenario = JSON.readTree(new File(arguments[0]));
        try (var replies = consumerOf("invoice.replies")) {
            for (JsonNode step : scenario.path("commands")) {
                JsonNode reply = replied(replies, step);
                System.out.println(step.path("type").asText() + " " + reply.path("status").asText()
                    + reply.path("code").asText() + (reply.path("replayed").asBoolean() ? " replayed" : ""));
            }
        }
        scenario.path("follow").fields().forEachRemaining(one -> System.out.println(one.getKey() + " rebuilt: "
            + rebuilt(one.getKey(), followed(one.getKey(), one.getValue().asText()))));
    }
}
