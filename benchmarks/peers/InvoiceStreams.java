import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.math.BigDecimal;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.util.Properties;
import java.util.UUID;
import org.apache.kafka.common.header.Headers;
import org.apache.kafka.common.header.internals.RecordHeaders;
import org.apache.kafka.common.serialization.Serde;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.processor.api.ContextualProcessor;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.state.KeyValueStore;
import org.apache.kafka.streams.state.StoreBuilder;
import org.apache.kafka.streams.state.Stores;

/**
 * The benchmark's commands in Kafka Streams, exactly_once_v2: an invoice's state in one store, the replies that were
 * given in another, one event and one reply for each command that is accepted.
 *
 * <p>It does less than Redletter: nothing claims a charge or a number across invoices, a repeated id is not compared with
 * its first body, unreadable records end it, and nothing but its topics keeps the events.
 */
public final class InvoiceStreams {
  private static final String[] COMMANDS = {
    "invoice.commands.billing", "invoice.commands.tax", "invoice.commands.customer"
  };
  private static final String INVOICES = "invoices";
  private static final String REPLIES_GIVEN = "replies-given";
  private static final ObjectMapper JSON = new ObjectMapper();
  private static final Serde<String> TEXT = Serdes.String();
  private static final Serde<byte[]> BYTES = Serdes.ByteArray();

  /** Arguments: bootstrap servers, application id, folder of the stores, threads. Runs until SIGTERM. */
  public static void main(String[] arguments) {
    Properties settings = new Properties();
    settings.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, arguments[0]);
    settings.put(StreamsConfig.APPLICATION_ID_CONFIG, arguments[1]);
    settings.put(StreamsConfig.STATE_DIR_CONFIG, arguments[2]);
    settings.put(StreamsConfig.NUM_STREAM_THREADS_CONFIG, arguments[3]);
    settings.put(StreamsConfig.PROCESSING_GUARANTEE_CONFIG, StreamsConfig.EXACTLY_ONCE_V2);
    settings.put(StreamsConfig.REPLICATION_FACTOR_CONFIG, 1);
    settings.put("auto.offset.reset", "earliest");
    KafkaStreams streams = new KafkaStreams(topology(), settings);
    Runtime.getRuntime().addShutdownHook(new Thread(streams::close));
    streams.start();
  }

  private static Topology topology() {
    return new Topology()
        .addSource("commands", TEXT.deserializer(), BYTES.deserializer(), COMMANDS)
        .addProcessor("decisions", Decisions::new, "commands")
        .addStateStore(store(INVOICES), "decisions")
        .addStateStore(store(REPLIES_GIVEN), "decisions")
        .addSink("events", "invoice.events", TEXT.serializer(), BYTES.serializer(), "decisions")
        .addSink("replies", "invoice.replies", TEXT.serializer(), BYTES.serializer(), "decisions");
  }

  private static StoreBuilder<KeyValueStore<String, byte[]>> store(String name) {
    return Stores.keyValueStoreBuilder(Stores.persistentKeyValueStore(name), TEXT, BYTES);
  }

  /** A command is against the rules; nothing changes. */
  private static final class Refused extends Exception {
    Refused(String code) {
      super(code);
    }
  }

  /** What a command says about itself. */
  private record Envelope(String id, String source, String type, String correlation, String time) {
    static Envelope of(Record<String, byte[]> command) {
      return new Envelope(
          header(command, "ce_id"),
          header(command, "ce_source"),
          header(command, "ce_type"),
          header(command, "ce_correlationid"),
          Instant.ofEpochMilli(command.timestamp()).toString());
    }

    /** Redletter's name of the command, such as RequestReturn. */
    String name() {
      return type.split("\\.")[2];
    }

    Headers headers(String name, String id, String subject) {
      return new RecordHeaders()
          .add("ce_specversion", utf8("1.0"))
          .add("ce_source", utf8("urn:benchmark:streams"))
          .add("ce_type", utf8("redletter.invoice." + name + ".v1"))
          .add("ce_dataschema", utf8("urn:redletter:schema:" + name + ":v1"))
          .add("content-type", utf8("application/json"))
          .add("ce_id", utf8(id))
          .add("ce_time", utf8(time))
          .add("ce_correlationid", utf8(correlation))
          .add("ce_subject", utf8(subject))
          .add("ce_causationid", utf8(this.id));
    }
  }

  /** Decides one command after the other. */
  private static final class Decisions extends ContextualProcessor<String, byte[], String, byte[]> {
    private KeyValueStore<String, byte[]> invoices;
    private KeyValueStore<String, byte[]> repliesGiven;

    @Override
    public void init(ProcessorContext<String, byte[]> context) {
      super.init(context);
      invoices = context.getStateStore(INVOICES);
      repliesGiven = context.getStateStore(REPLIES_GIVEN);
    }

    @Override
    public void process(Record<String, byte[]> command) {
      Envelope envelope = Envelope.of(command);
      String commandKey = envelope.source() + " " + envelope.id();
      byte[] given = repliesGiven.get(commandKey);
      if (given == null) {
        given = decide(command, envelope);
        repliesGiven.put(commandKey, given);
      }
      Headers headers = envelope.headers("CommandAccepted", "reply-" + envelope.id(), command.key());
      context().forward(command.withValue(given).withHeaders(headers), "replies");
    }

    private byte[] decide(Record<String, byte[]> command, Envelope envelope) {
      byte[] stored = invoices.get(command.key());
      ObjectNode invoice = stored == null ? JSON.createObjectNode() : read(stored);
      ObjectNode reply = JSON.createObjectNode();
      reply.put("command_id", envelope.id());
      reply.put("command_source", envelope.source());
      reply.put("command_type", envelope.type());
      reply.put("invoice_number", command.key());
      try {
        ObjectNode event = read(command.value());
        String eventName = apply(envelope, event, invoice);
        int version = invoice.path("version").intValue() + 1;
        String eventId = command.key() + "-" + version;
        invoice.put("version", version);
        invoices.put(command.key(), write(invoice));
        Headers headers = envelope.headers(eventName, eventId, command.key());
        headers.add("ce_invoiceversion", utf8(Integer.toString(version)));
        context().forward(command.withValue(write(event)).withHeaders(headers), "events");
        reply.put("invoice_version", version);
        ObjectNode reference = reply.putArray("events").addObject();
        reference.put("id", eventId).put("type", "redletter.invoice." + eventName + ".v1");
        reply.set("status", invoice.path("status"));
      } catch (Refused refused) {
        reply.put("code", refused.getMessage());
      }
      return write(reply.put("replayed", false));
    }

    /** Changes the invoice, makes the event of the command's body, and returns the event's name. */
    private static String apply(Envelope envelope, ObjectNode body, ObjectNode invoice) throws Refused {
      boolean known = invoice.has("version");
      require(known != envelope.name().equals("RegisterInvoice"), known ? "INVOICE_ALREADY_REGISTERED" : "INVOICE_NOT_FOUND");
      body.put("occurred_at", envelope.time());
      switch (envelope.name()) {
        case "RegisterInvoice":
          require(amount(body, "net_amount").add(amount(body, "tax_amount")).equals(amount(body, "total_amount")), "AMOUNTS");
          invoice.setAll(body);
          invoice.put("status", "issued").put("posting_status", "unknown");
          return "InvoiceIssued";
        case "RecordPostingStatus":
          body.set("account_id", invoice.path("account_id"));
          body.set("previous", invoice.path("posting_status"));
          invoice.set("posting_status", body.path("posting_status"));
          return "PostingStatusChanged";
        case "RequestReturn":
          require(body.path("account_id").equals(invoice.path("account_id")), "INVOICE_NOT_FOUND");
          require(invoice.path("status").asText().equals("issued"), "RETURN_ALREADY_IN_PROGRESS");
          body.put("return_id", UUID.nameUUIDFromBytes(utf8(envelope.id())).toString()).put("route", "simple");
          body.set("posting_status", invoice.path("posting_status"));
          body.put("due_earliest", envelope.time()).put("due_latest", envelope.time());
          body.putObject("calendar").put("version", "none").put("provisional", true);
          invoice.put("status", "return_in_progress");
          return "ReturnRequested";
        default:
          throw new Refused("COMMAND_UNKNOWN");
      }
    }
  }

  private static void require(boolean holds, String code) throws Refused {
    if (!holds) {
      throw new Refused(code);
    }
  }

  private static BigDecimal amount(JsonNode body, String field) {
    return new BigDecimal(body.path(field).asText());
  }

  private static String header(Record<String, byte[]> record, String name) {
    return new String(record.headers().lastHeader(name).value(), StandardCharsets.UTF_8);
  }

  private static byte[] utf8(String text) {
    return text.getBytes(StandardCharsets.UTF_8);
  }

  private static ObjectNode read(byte[] json) {
    try {
      return (ObjectNode) JSON.readTree(json);
    } catch (IOException error) {
      throw new UncheckedIOException(error);
    }
  }

  private static byte[] write(ObjectNode node) {
    try {
      return JSON.writeValueAsBytes(node);
    } catch (JsonProcessingException error) {
      throw new UncheckedIOException(error);
    }
  }
}
