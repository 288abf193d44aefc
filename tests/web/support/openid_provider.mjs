// An OpenID provider for the tests: node openid_provider.mjs AUDIENCE. Prints its issuer; "rotate" on standard input
// lets it sign with a new key. Every client gets the accounts and roles that it has below.
import { generateKeyPairSync, randomUUID } from "node:crypto";
import { createServer } from "node:http";
import { createInterface } from "node:readline";
import Provider from "oidc-provider";

const audience = process.argv[2];
const claims = {
  portal: { redletter_accounts: ["mine"] },
  operations: { redletter_accounts: [], redletter_roles: ["operator"] },
};
const server = createServer((request, response) => answer(request, response));
let answer;

function begin() {
  const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const key = { ...privateKey.export({ format: "jwk" }), kid: randomUUID(), alg: "ES256", use: "sig" };
  const provider = new Provider(issuer, {
    jwks: { keys: [key] },
    clients: Object.keys(claims).map((id) => ({
      client_id: id,
      client_secret: "secret",
      grant_types: ["client_credentials"],
      redirect_uris: [],
      response_types: [],
      id_token_signed_response_alg: "ES256",
    })),
    features: {
      devInteractions: { enabled: false },
      clientCredentials: { enabled: true },
      resourceIndicators: {
        enabled: true,
        getResourceServerInfo: (_context, resource) => ({
          audience: resource,
          scope: "",
          accessTokenFormat: "jwt",
          accessTokenTTL: 300,
          jwt: { sign: { alg: "ES256" } },
        }),
        defaultResource: () => audience,
      },
    },
    extraTokenClaims: (_context, token) => claims[token.clientId],
  });
  answer = provider.callback();
}

server.listen(0, "127.0.0.1");
await new Promise((done) => server.once("listening", done));
const issuer = `http://127.0.0.1:${server.address().port}`;
begin();
console.log(issuer);
const orders = createInterface(process.stdin);
orders.on("line", () => {
  begin();
  console.log("rotated");
});
orders.on("close", () => process.exit());
