/** The key that seals this node's recordings: made at the first start, kept beside the token, never shown. */
import {
  createHash,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  randomBytes,
  sign,
} from "node:crypto";
import {
  closeSync,
  constants,
  fstatSync,
  fsyncSync,
  linkSync,
  openSync,
  readFileSync,
  rmSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { BartizanFault } from "../errors.ts";

export interface SealKey {
  /** The first 16 hexadecimal digits of the SHA-256 of the raw public key. */
  readonly id: string;
  /** PEM, SPKI. */
  readonly publicKey: string;
  /** Ed25519 over the text in UTF-8, in standard base64. */
  sign(text: string): string;
}

/**
 * Reads `recording-key` in `folder`, or makes it (mode 0600) and `recording-key.pub`. Throws `config` when it is readable
 * by others, is no such key, or is gone while its public half is still there: a new key would make old seals unknown.
 */
export function openSealKey(folder: string): SealKey {
  const path = join(folder, "recording-key");
  const key = readKey(path) ?? makeKey(path);
  const publicKey = createPublicKey(key);
  const pem = publicKey.export({ type: "spki", format: "pem" }).toString();
  if (readText(`${path}.pub`) === undefined) writeNew(`${path}.pub`, pem, 0o644);
  return {
    id: keyIdOf(publicKey),
    publicKey: pem,
    sign: (text) => sign(null, Buffer.from(text), key).toString("base64"),
  };
}

/** As `start` and seals name the key. */
export function keyIdOf(publicKey: KeyObject): string {
  const raw = Buffer.from(publicKey.export({ format: "jwk" }).x ?? "", "base64url");
  return createHash("sha256").update(raw).digest("hex").slice(0, 16);
}

function readKey(path: string): KeyObject | undefined {
  const text = readText(path, true);
  if (text === undefined) {
    if (readText(`${path}.pub`) === undefined) return undefined;
    throw new BartizanFault(
      "config",
      `${path} is gone, and ${path}.pub is still there.`,
      "Put the key back. To begin with a new one, move recording-key.pub away: verifying old recordings needs it.",
    );
  }
  try {
    const key = createPrivateKey(text);
    if (key.asymmetricKeyType === "ed25519") return key;
  } catch {
    // Told below, without what the library says of secrets.
  }
  throw new BartizanFault("config", `${path} is no Ed25519 key.`, "Put the right one back, or move it away.");
}

function makeKey(path: string): KeyObject {
  const { privateKey } = generateKeyPairSync("ed25519");
  writeNew(path, privateKey.export({ type: "pkcs8", format: "pem" }).toString(), 0o600);
  return privateKey;
}

function readText(path: string, secret = false): string | undefined {
  let fd: number;
  try {
    fd = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW);
  } catch (error) {
    const { code = "unknown error" } = error as NodeJS.ErrnoException;
    if (code === "ENOENT") return undefined;
    throw new BartizanFault("config", `Cannot read ${path} (${code}).`, "It has to be a plain file.", error);
  }
  try {
    if (secret && (fstatSync(fd).mode & 0o077) !== 0)
      throw new BartizanFault("config", `${path} can be read by others.`, `chmod 600 ${path}`);
    return readFileSync(fd, "utf8");
  } finally {
    closeSync(fd);
  }
}

/** Whole or not at all, also when the machine stops in between. */
function writeNew(path: string, text: string, mode: number): void {
  const fresh = `${path}.${randomBytes(6).toString("hex")}`;
  try {
    const fd = openSync(fresh, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW, mode);
    try {
      writeSync(fd, text);
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
    linkSync(fresh, path);
  } catch (error) {
    const { code = "unknown error" } = error as NodeJS.ErrnoException;
    throw new BartizanFault("config", `Cannot write ${path} (${code}).`, "Look after the data folder.", error);
  } finally {
    rmSync(fresh, { force: true });
  }
}
