import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { readConfig } from "../../server/config.ts";

describe("a config that lets others in", () => {
  let folder: string;
  const key = ["-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "1"];
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), "bartizan-identity-"));
    const files = ["-subj", "/CN=localhost", "-keyout", join(folder, "key.pem"), "-out", join(folder, "cert.pem")];
    execFileSync("openssl", ["req", ...key, ...files], { stdio: "ignore" });
    writeFileSync(join(folder, "secret"), "s3cret\n");
    writeFileSync(join(folder, "two words"), "two words\n");
  });
  afterAll(() => rmSync(folder, { recursive: true }));
  const read = (yaml: string) => {
    const file = join(folder, "bartizan.yaml");
    writeFileSync(file, yaml);
    return readConfig(file, { HOME: folder });
  };
  const refusal = (yaml: string) => {
    try {
      read(yaml);
    } catch (error) {
      return (error as Error).message;
    }
    return "taken";
  };
  const tls = "tls: { cert: cert.pem, key: key.pem }";
  const oidc = "identity: { oidc: { issuer: https://id.example, clientId: b } }";
  const wide = `listen: { host: 0.0.0.0, names: [b.example], ${tls} }`;

  it("is refused without TLS, names and somebody who can prove who he is, and says all that is missing", () => {
    const all = refusal("listen: { host: 0.0.0.0 }");
    expect(all).toContain("lacks listen.tls (cert and key), principals or identity.oidc (who may call), listen.names");
    expect(refusal(wide)).toContain("lacks principals or identity.oidc");
    expect(refusal(`${wide}\n${oidc}`)).toBe("taken");
  });

  it("has people sign in over https alone", () => {
    expect(refusal(oidc)).toContain("over https alone");
    expect(refusal(`listen: { ${tls} }\n${oidc}`)).toBe("taken");
    const behind = oidc.replace("{ oidc", "{ url: https://b.example, oidc");
    expect(read(behind).identity.url).toBe("https://b.example");
    expect(refusal(behind.replace("https://b.example,", "http://b.example,"))).toContain("identity.url");
    expect(refusal(behind.replace("https://b.example,", "https://b.example/path,"))).toContain("identity.url");
  });

  it("trusts no provider over plain http but one on this machine, and no algorithm that is none", () => {
    const at = (issuer: string) => `listen: { ${tls} }\n${oidc.replace("https://id.example", issuer)}`;
    expect(refusal(at("http://id.example"))).toContain("identity.oidc.issuer");
    expect(refusal(at("http://127.0.0.1.evil.example"))).toContain("identity.oidc.issuer");
    expect(refusal(at("http://127.0.0.1:9000"))).toBe("taken");
    for (const algorithm of ["none", "HS256"])
      expect(refusal(`${oidc.replace("clientId: b", `clientId: b, idTokenAlgorithm: ${algorithm}`)}`)).toContain(":1:");
  });

  it("names the line of a secret that is not there or is none, and finds it from the file's folder", () => {
    const withSecret = (file: string) =>
      `listen:\n  ${tls}\n${oidc.replace("clientId: b", `clientId: b, clientSecretFile: ${file}`)}`;
    expect(refusal(withSecret("missing"))).toMatch(/:3: identity\.oidc\.clientSecretFile: cannot read/);
    expect(refusal(withSecret("two words"))).toMatch(/:3: .*is not one word/);
    expect(read(withSecret("secret")).identity.oidc?.clientSecretFile).toBe(join(folder, "secret"));
  });
});
