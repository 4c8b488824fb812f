/** A real identity provider, as a program of its own: `node idp-process.ts JSON`. Says where it listens; ends with its stdin. */
import { once } from "node:events";
import { createServer, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { Provider } from "oidc-provider";
import type { IdpSettings } from "./open-idp.ts";

const { people, clientId, clientSecret } = JSON.parse(process.argv[2] ?? "") as IdpSettings;
let listener: RequestListener | undefined;
const server = createServer((request, response) => {
  // Whom the callbacks lead to is known only when the bastion listens: any address on this machine will do.
  if (request.url?.startsWith("/allow?") !== true) return listener?.(request, response);
  open(new URL(request.url, "http://x").searchParams.get("redirect") ?? "");
  response.end();
});
server.listen(0, "127.0.0.1");
await once(server, "listening");
const issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;

function open(redirect: string): void {
  const provider = new Provider(issuer, {
    clients: [
      {
        ...{ client_id: clientId, client_secret: clientSecret, redirect_uris: [redirect] },
        ...{ response_types: ["code"], grant_types: ["authorization_code"] },
      },
    ],
    claims: { openid: ["sub"], profile: ["preferred_username", "groups"], email: ["email", "email_verified"] },
    findAccount: (_context: unknown, id: string) => {
      const claims = people[id];
      return claims && { accountId: id, claims: () => ({ sub: id, ...claims }) };
    },
    pkce: { required: () => true },
    cookies: { keys: ["a test's"] },
  });
  listener = provider.callback();
}

process.stdin.on("end", () => process.exit(0)).resume();
process.stdout.write(`issuer=${issuer}\n`);
