// What readers of the contract use reads it: the official AsyncAPI parser, the CloudEvents SDK, Ajv in strict mode, a
// generator of types.
import { readFileSync, readdirSync } from "node:fs";
import { Parser } from "@asyncapi/parser";
import Ajv from "ajv/dist/2020.js";
import formats from "ajv-formats";
import { Kafka } from "cloudevents";
import { compile } from "json-schema-to-typescript";

const SCHEMAS = "docs/schemas/";
const faults = [];

const ASYNCAPI = readFileSync("docs/asyncapi.json", "utf8");
const { diagnostics } = await new Parser().parse(ASYNCAPI);
for (const { code, path, message } of diagnostics)
  if (code !== "asyncapi-latest-version") faults.push(`docs/asyncapi.json: ${path.join(".")}: ${message}`);

for (const [name, { examples }] of Object.entries(JSON.parse(ASYNCAPI).components.messages))
  for (const { headers, payload } of examples.filter(({ headers }) => "ce_type" in headers)) {
    const event = Kafka.toEvent({ headers, value: payload });
    if (event.type !== headers.ce_type || JSON.stringify(event.data) !== JSON.stringify(payload))
      faults.push(`docs/asyncapi.json: the CloudEvents SDK reads an example of ${name} as something else`);
  }

const ajv = formats.default(new Ajv.default({ strict: true, allErrors: true }));
for (const file of readdirSync(SCHEMAS)) {
  const schema = JSON.parse(readFileSync(SCHEMAS + file, "utf8"));
  try {
    const fits = ajv.compile(schema);
    for (const example of schema.examples)
      if (!fits(example)) faults.push(`${file}: an example does not fit: ${ajv.errorsText(fits.errors)}`);
  } catch (error) {
    faults.push(`${file}: ${error.message}`);
  }
  const types = await compile(structuredClone(schema), "Unnamed", { bannerComment: "" });
  const made = new Set([...types.matchAll(/^export (?:interface|type) (\w+)/gm)].map(([, name]) => name));
  const wanted = new Set([schema.title, ...Object.keys(schema.$defs)]);
  const odd = [...made.symmetricDifference(wanted)];
  if (odd.length) faults.push(`${file}: types without a name of their own, or none for a name: ${odd.join(", ")}`);
}

for (const fault of faults) console.error(fault);
process.exitCode = faults.length ? 1 : 0;
