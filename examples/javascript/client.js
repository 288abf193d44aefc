// Register an invoice, return it, follow it to its end, and rebuild every status: with kafkajs and the CloudEvents SDK.
//
//     npm install
//     REDLETTER_KAFKA_BOOTSTRAP_SERVERS=localhost:9092 node client.js 26312000000000000001
import { CloudEvent, Kafka as Binding } from "cloudevents";
import { Kafka, logLevel } from "kafkajs";

const number = process.argv[2];
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
  const consumer = kafka.consumer({ groupId: `example-${topic}-${number}` });
  await consumer.connect();
  await consumer.subscribe({ topic, fromBeginning: true });
  await consumer.run({ eachMessage: async ({ message }) => each(read(message)) });
  return consumer;
}

const awaited = new Map();
function onReply(event) {
  if (event.data.command_source === source) awaited.get(event.data.command_id)?.(event);
}

/** Publish a command and return its reply. If none comes, the same id may be sent again: it is done once. */
async function replied(topic, name, data, mode) {
  const id = `${name}-${number}`;
  const command = new CloudEvent({ id, source, type: `redletter.invoice.${name}.v1`, subject: number, data });
  const message = mode(command);
  // The SDK's binary mode leaves undefined headers, and the body as an object.
  const headers = Object.fromEntries(Object.entries(message.headers).filter(([, header]) => header !== undefined));
  const value = typeof message.value === "string" ? message.value : JSON.stringify(message.value);
  const reply = new Promise((resolve) => awaited.set(id, resolve));
  await producer.send({ topic, messages: [{ key: number, value, headers }] });
  const { data: answer } = await reply;
  console.log(name, answer.status ?? answer.code);
}

setTimeout(() => { console.error("not at its end within 60 s"); process.exit(1); }, 60_000).unref();
await producer.connect();
const replies = await follow("invoice.replies", onReply);
await replied("invoice.commands.billing", "RegisterInvoice", {
  invoice_number: number, account_id: "acme", kind: "general", issued_on: "2026-02-01",
  seller: { name: "Cloud Company", tax_id: "91330106MA2CFLDG4R" }, buyer: { name: "Li Wei" },
  net_amount: "100.00", tax_amount: "6.00", total_amount: "106.00",
  charges: [{ charge_id: `${number}-ecs`, amount: "106.00" }],
}, Binding.structured);
const asked = { invoice_number: number, account_id: "acme", reason: "wrong_amount" };
await replied("invoice.commands.customer", "RequestReturn", asked, Binding.binary);

let events;
await new Promise((resolve) => {
  events = follow("invoice.events", (event) => {
    if (event.subject !== number) return;
    const name = event.type.split(".")[2];
    console.log(event.invoiceversion, name);
    if (name === "InvoiceReturned") resolve();
  });
});

// As a service does that joins late: every status from one compacted topic.
const statuses = new Map();
let late;
await new Promise((resolve) => {
  late = follow("invoice.status", ({ data }) => {
    statuses.set(data.invoice_number, data.status.code);
    if (statuses.get(number) === "returned") resolve();
  });
});
console.log("rebuilt", statuses.get(number));
await Promise.all([producer, replies, await events, await late].map((client) => client.disconnect()));
