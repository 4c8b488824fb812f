/** What a config names on the disk, tried before anything starts: certificates that fit, keys that are keys. */
import { createPrivateKey, X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import type { Config } from "./config.ts";
import type { TlsFiles } from "./config-group.ts";
import { keysOf } from "./group/group-keys.ts";

/** One thing wrong, by the path of its key in the file. */
export interface FileProblem {
  readonly path: readonly (string | number)[];
  readonly message: string;
}

const maxKeyBytes = 64 * 1024;

export function fileProblems(
  config: Pick<Config, "listen" | "targets" | "identity" | "audit" | "redis" | "group">,
): FileProblem[] {
  const problems: FileProblem[] = [];
  const read = (path: FileProblem["path"], file: string): string | undefined => {
    try {
      const text = readFileSync(file, "utf8");
      if (text.length <= maxKeyBytes) return text;
      problems.push({ path, message: `${file} is too large for what it should be` });
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code ?? "unknown error";
      problems.push({ path, message: `cannot read ${file} (${code})` });
    }
    return undefined;
  };
  const readTls = (path: FileProblem["path"], tls: TlsFiles | undefined) => {
    const cert = tls?.cert === undefined ? undefined : read([...path, "cert"], tls.cert);
    const key = tls?.key === undefined ? undefined : read([...path, "key"], tls.key);
    if (cert !== undefined && key !== undefined && !isPair(cert, key))
      problems.push({ path, message: "cert and key are no PEM pair that fits together" });
    const ca = tls?.ca === undefined ? undefined : read([...path, "ca"], tls.ca);
    if (ca !== undefined && !isCertificate(ca))
      problems.push({ path: [...path, "ca"], message: `${tls?.ca} is no PEM certificate` });
  };
  const readPassword = (path: FileProblem["path"], file: string | undefined) => {
    if (file !== undefined && read(path, file)?.trim() === "")
      problems.push({ path, message: `${file} has no password in it` });
  };
  readTls(["listen", "tls"], config.listen.tls);
  readTls(["redis", "tls"], config.redis?.tls);
  readTls(["redis", "sentinels", "tls"], config.redis?.sentinels?.tls);
  readPassword(["redis", "passwordFile"], config.redis?.passwordFile);
  readPassword(["redis", "sentinels", "passwordFile"], config.redis?.sentinels?.passwordFile);
  const secretFile = config.identity.oidc?.clientSecretFile;
  if (secretFile !== undefined) {
    const path = ["identity", "oidc", "clientSecretFile"];
    if (!/^\S{1,1000}\s*$/.test(read(path, secretFile) ?? "x"))
      problems.push({ path, message: `${secretFile} is not one word` });
  }
  const { keyFile } = config.group;
  const keys = keyFile === undefined ? undefined : read(["group", "keyFile"], keyFile);
  if (keys !== undefined && keysOf(keys) === undefined)
    problems.push({ path: ["group", "keyFile"], message: `${keyFile} has to be lines of 64 hexadecimal digits` });
  const { syslog, webhook } = config.audit;
  if (webhook !== undefined) {
    const path = ["audit", "webhook", "secretFile"];
    const secret = read(path, webhook.secretFile);
    if (secret !== undefined && !/^\S{16,1000}\s*$/.test(secret))
      problems.push({ path, message: `${webhook.secretFile} is not one word of at least 16 characters` });
  }
  for (const [name, ca] of [["syslog", syslog?.ca] as const, ["webhook", webhook?.ca] as const]) {
    const text = ca === undefined ? undefined : read(["audit", name, "ca"], ca);
    if (text !== undefined && !text.includes("-----BEGIN CERTIFICATE-----"))
      problems.push({ path: ["audit", name, "ca"], message: `${ca} is no certificate in PEM` });
  }
  for (const [index, target] of config.targets.entries()) {
    if (target.key === undefined) continue;
    const text = read(["targets", index, "key"], target.key);
    if (text !== undefined && !/^(-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----|PuTTY-User-Key-File-)/m.test(text))
      problems.push({ path: ["targets", index, "key"], message: `${target.key} is not a private key` });
  }
  return problems;
}

function isCertificate(text: string): boolean {
  try {
    return new X509Certificate(text).subject !== undefined;
  } catch {
    return false;
  }
}

function isPair(cert: string, key: string): boolean {
  try {
    return new X509Certificate(cert).checkPrivateKey(createPrivateKey(key));
  } catch {
    return false;
  }
}
