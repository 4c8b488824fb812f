/** An identity provider that answers with whatever token a test makes, to see what is believed. */
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { exportJWK, exportSPKI, generateKeyPair, SignJWT } from "jose";

export interface HostileIdp extends AsyncDisposable {
  readonly issuer: string;
  /** What the next token endpoint's answer holds; by default a token that is right for the claims given. */
  answer: (made: { readonly good: Claims; sign(claims: Claims, header?: object): Promise<string> }) => Promise<string>;
  /** The public key, as a PEM text: known to everybody. */
  readonly publicKey: string;
  /** Codes that were brought to the token endpoint. */
  readonly codes: readonly string[];
  /** The nonce of the attempt whose callback comes next. */
  nonce: string;
}

export type Claims = Record<string, unknown>;

export async function openHostileIdp(clientId: string): Promise<HostileIdp> {
  const { publicKey, privateKey } = await generateKeyPair("RS256", { extractable: true });
  const stranger = await generateKeyPair("RS256");
  const jwk = { ...(await exportJWK(publicKey)), kid: "one", alg: "RS256", use: "sig" };
  const codes: string[] = [];
  const server = createServer(async (request, response) => {
    const send = (body: object) => {
      response.setHeader("content-type", "application/json");
      response.end(JSON.stringify(body));
    };
    if (request.url?.startsWith("/.well-known/") === true)
      return send({
        ...{ issuer: idp.issuer, jwks_uri: `${idp.issuer}/jwks`, token_endpoint: `${idp.issuer}/token` },
        ...{ authorization_endpoint: `${idp.issuer}/auth`, response_types_supported: ["code"] },
        id_token_signing_alg_values_supported: ["RS256", "none", "HS256"],
        authorization_response_iss_parameter_supported: true,
      });
    if (request.url === "/jwks") return send({ keys: [jwk] });
    let body = "";
    for await (const chunk of request) body += chunk;
    codes.push(new URLSearchParams(body).get("code") ?? "");
    const now = Math.floor(Date.now() / 1000);
    const good: Claims = {
      ...{ iss: idp.issuer, aud: clientId, sub: "zed-1", nonce: idp.nonce, iat: now, exp: now + 60 },
      ...{ preferred_username: "zed", groups: ["staff"] },
    };
    const sign = (claims: Claims, header: object = {}) =>
      new SignJWT(claims)
        .setProtectedHeader({ alg: "RS256", kid: "one", ...header })
        .sign("kid" in header ? stranger.privateKey : privateKey);
    send({ access_token: "a", token_type: "Bearer", id_token: await idp.answer({ good, sign }) });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const idp: HostileIdp = {
    issuer: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    ...{ codes, nonce: "", publicKey: await exportSPKI(publicKey) },
    answer: ({ good, sign }) => sign(good),
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
  return idp;
}
