import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.cloudevents.CloudEvent;
import io.cloudevents.core.builder.CloudEventBuilder;
import io.cloudevents.core.message.Encoding;
import io.cloudevents.jackson.JsonFormat;
import io.cloudevents.kafka.CloudEventDeserializer;
import io.cloudevents.kafka.CloudEventSerializer;
import java.net.URI;
import java.time.Duration;
import java.util.HashMap;
import java.util.Map;
import java.util.function.Predicate;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;

/**
 * Register an invoice, return it, follow it to its end, and rebuild every status: with Kafka's client and the
 * CloudEvents SDK.
 *
 * <pre>mvn package; REDLETTER_KAFKA_BOOTSTRAP_SERVERS=localhost:9092 java -jar target/client.jar 26312000000000000001</pre>
 */
class Client {
    static final String KAFKA = System.getenv("REDLETTER_KAFKA_BOOTSTRAP_SERVERS");
    static final URI SOURCE = URI.create("urn:example:java");
    static final ObjectMapper JSON = new ObjectMapper();

    /** Read committed records of a topic from the first one on, until one is the last, or also until its end. */
    static void follow(String topic, boolean toItsEnd, Predicate<CloudEvent> isLast) {
        Map<String, Object> settings = Map.of("bootstrap.servers", KAFKA, "isolation.level", "read_committed");
        try (var consumer = new KafkaConsumer<>(settings, new StringDeserializer(), new CloudEventDeserializer())) {
            var partitions = consumer.partitionsFor(topic).stream()
                .map(one -> new TopicPartition(topic, one.partition())).toList();
            consumer.assign(partitions);
            consumer.seekToBeginning(partitions);
            var ends = consumer.endOffsets(partitions);
            boolean last = false;
            // The position passes the markers of transactions too; the last record's offset does not.
            while (!last || toItsEnd && partitions.stream().anyMatch(one -> consumer.position(one) < ends.get(one))) {
                for (var record : consumer.poll(Duration.ofSeconds(1))) last |= isLast.test(record.value());
            }
        }
    }

    /** Publish a command and print its reply. If none comes, the same id may be sent again: it is done once. */
    static void replied(Encoding mode, String topic, String name, String number, String body) {
        String id = name + "-" + number;
        CloudEvent command = CloudEventBuilder.v1().withId(id).withSource(SOURCE)
            .withType("redletter.invoice." + name + ".v1").withData("application/json", body.getBytes()).build();
        var serializer = new CloudEventSerializer();
        serializer.configure(Map.of("cloudevents.serializer.encoding", mode,
            "cloudevents.serializer.event_format", JsonFormat.CONTENT_TYPE), false);
        try (var producer = new KafkaProducer<>(Map.of("bootstrap.servers", KAFKA), new StringSerializer(), serializer)) {
            producer.send(new ProducerRecord<>(topic, number, command));
        }
        follow("invoice.replies", false, event -> {
            JsonNode reply = body(event);
            boolean mine = id.equals(event.getExtension("causationid"))
                && SOURCE.toString().equals(reply.path("command_source").asText());
            if (mine) System.out.println(name + " " + reply.path("status").asText() + reply.path("code").asText());
            return mine;
        });
    }

    static JsonNode body(CloudEvent event) {
        try {
            return JSON.readTree(event.getData().toBytes());
        } catch (java.io.IOException error) {
            throw new java.io.UncheckedIOException(error);
        }
    }

    public static void main(String[] arguments) {
        String number = arguments[0];
        replied(Encoding.STRUCTURED, "invoice.commands.billing", "RegisterInvoice", number, """
            {"invoice_number": "%1$s", "account_id": "acme", "kind": "general", "issued_on": "2026-02-01",
             "seller": {"name": "Cloud Company", "tax_id": "91330106MA2CFLDG4R"}, "buyer": {"name": "Li Wei"},
             "net_amount": "100.00", "tax_amount": "6.00", "total_amount": "106.00",
             "charges": [{"charge_id": "%1$s-ecs", "amount": "106.00"}]}""".formatted(number));
        replied(Encoding.BINARY, "invoice.commands.customer", "RequestReturn", number, """
            {"invoice_number": "%s", "account_id": "acme", "reason": "wrong_amount"}""".formatted(number));
        follow("invoice.events", false, event -> {
            String name = event.getType().split("\\.")[2];
            if (!number.equals(event.getSubject())) return false;
            System.out.println(event.getExtension("invoiceversion") + " " + name);
            return name.equals("InvoiceReturned");
        });
        // As a service does that joins late: every status from one compacted topic.
        Map<String, String> statuses = new HashMap<>();
        follow("invoice.status", true, event -> {
            statuses.put(event.getSubject(), body(event).path("status").path("code").asText());
            return "returned".equals(statuses.get(number));
        });
        System.out.println("rebuilt " + statuses.get(number));
    }
}
