// Play a scenario: publish commands, follow invoices to their ends, rebuild every status. With kafkajs and the
// CloudEvents SDK.
//
//     npm install
//     REDLETTER_KAFKA_BOOTSTRAP_SERVERS=localhost:9092 node client.js ../scenario.json
import { randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { CloudEvent, Kafka as Binding } from "cloudevents";
import { Kafka, logLevel } from "kafkajs";

const scenario = JSON.parse(readFileSync(process.argv[2], "utf8"));
const source = "urn:example:javascript";
const kafka = new Kafka({
  brokers: process.env.REDLETTER_KAFKA_BOOTSTRAP_SERVERS.split(","),
  logLevel: logLevel.ERROR,
});
const producer = kafka.producer({ idempotent: true });

/** Read a record as a CloudEvent, in either mode. The SDK wants headers as text. */
function read({ headers, value }) {
  const text = Object.fromEntries(Object.entries(headers).map(([name, header]) => [name, header.toString()]));
  return Binding.toEvent({ headers: text, value: JSON.parse(value.toString()) });
}

/** Call `each` for every record of a topic, from the first one on; kafkajs reads committed records only. */
async function follow(topic, each) {
  const consumer = kafka.consumer({ groupId: `example-${randomUUID()}` });
  await consumer.connect();
  await consumer.subscribe({ topic, fromBeginning: true });
  await consumer.run({ eachMessage: async ({ message }) => each(read(message)) });
  return consumer;
}

/** Call `each` for every record of a topic until it returns something; return that. */
async function first(topic, each) {
  let consumer;
  const found = await new Promise((resolve) => {
    consumer = follow(topic, (event) => {
      const result = each(event);
      if (result !== undefined) resolve(result);
    });
  });
  await (await consumer).disconnect();
  return found;
}

const awaited = new Map();
function onReply(event) {
  if (event.data.command_source === source) awaited.get(event.data.command_id)?.(event);
}

/** Publish a command and print its reply. If none comes, the same id may be sent again: it is done once. */
async function replied({ type, topic, mode, id, data }) {
  const key = data.invoice_number;
  const command = new CloudEvent({ id, source, type: `redletter.invoice.${type}.v1`, subject: key, data });
  const message = Binding[mode](command);
  // The SDK's binary mode leaves undefined headers, and the body as an object.
  const headers = Object.fromEntries(Object.entries(message.headers).filter(([, header]) => header !== undefined));
  const value = typeof message.value === "string" ? message.value : JSON.stringify(message.value);
  const reply = new Promise((resolve) => awaited.set(id, resolve));
  await producer.send({ topic, messages: [{ key, value, headers }] });
  const { data: answer } = await reply;
  console.log(type, answer.status ?? answer.code, ...(answer.replayed ? ["replayed"] : []));
}

setTimeout(() => { console.error("not at its end within 5 minutes"); process.exit(1); }, 300_000).unref();
await producer.connect();
const replies = await follow("invoice.replies", onReply);
for (const command of scenario.commands) await replied(command);

for (const [number, last] of Object.entries(scenario.follow)) {
  const version = await first("invoice.events", (event) => {
    if (event.subject !== number) return undefined;
    const name = event.type.split(".")[2];
    console.log(number, event.invoiceversion, name);
    return name === last ? Number(event.invoiceversion) : undefined;
  });
  // As a service does that joins late: every status from one compacted topic.
  const statuses = new Map();
  await first("invoice.status", ({ data }) => {
    statuses.set(data.invoice_number, data);
    return statuses.get(number)?.version === version || undefined;
  });
  console.log(number, "rebuilt:", statuses.get(number).status.code);
}
await Promise.all([producer, replies].map((client) => client.disconnect()));
