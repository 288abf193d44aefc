// An OpenID provider for the tests: node openid_provider.mjs AUDIENCE PAGE. Prints its issuer; "rotate" on standard input
// lets it sign with a new key. Programs and people get the accounts and roles that they have below; people log in
// to PAGE, the origin of a page, with any password.
import { generateKeyPairSync, randomUUID } from "node:crypto";
import { createServer } from "node:http";
import { createInterface } from "node:readline";
import Provider from "oidc-provider";

const [audience, page] = process.argv.slice(2);
const claims = {
  portal: { redletter_accounts: ["mine"] },
  demo: { redletter_accounts: ["demo-account"] },
  operations: { redletter_accounts: [], redletter_roles: ["operator"] },
};
const people = {
  ann: { name: "Ann Li", redletter_accounts: ["mine"] },
  bo: { redletter_accounts: ["theirs"], redletter_roles: ["operator"] },
};
const server = createServer((request, response) => answer(request, response));
let answer;

const client = (id, more) => ({
  client_id: id,
  client_secret: "secret",
  redirect_uris: [],
  id_token_signed_response_alg: "ES256",
  ...more,
});

function begin() {
  const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const key = { ...privateKey.export({ format: "jwk" }), kid: randomUUID(), alg: "ES256", use: "sig" };
  const provider = new Provider(issuer, {
    jwks: { keys: [key] },
    clients: [
      ...Object.keys(claims).map((id) => client(id, { grant_types: ["client_credentials"], response_types: [] })),
      client("page", {
        redirect_uris: [`${page}/login/callback`],
        post_logout_redirect_uris: [`${page}/logged-out`],
      }),
    ],
    claims: { openid: ["sub", "redletter_accounts", "redletter_roles"], profile: ["name"] },
    findAccount: (_context, id) => people[id] && { accountId: id, claims: () => ({ sub: id, ...people[id] }) },
    features: {
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
