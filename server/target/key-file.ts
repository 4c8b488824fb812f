/** Private key files: read with limits, and judged before a parser sees them. */
import { constants } from "node:fs";
import { open } from "node:fs/promises";
import { BartizanFault } from "../errors.ts";

const maxKeyBytes = 65_536; // 64 KiB
/** Each round of bcrypt costs about 22 ms of a blocked process, and the file says how many: ssh-keygen's default is 16. */
const maxKdfRounds = 32;

/** The file's bytes, as a "config" fault says it when they cannot be had or are unfit. */
export async function readKeyFile(file: string): Promise<Buffer> {
  let bytes: Buffer;
  try {
    // Non-blocking: opening a pipe must not wait for its writer.
    await using handle = await open(file, constants.O_RDONLY | constants.O_NONBLOCK);
    const found = await handle.stat();
    if (!found.isFile() || found.size > maxKeyBytes) throw unfit(file, "is no key file");
    bytes = await handle.readFile();
  } catch (error) {
    if (error instanceof BartizanFault) throw error;
    const why = error instanceof Error && "code" in error ? String(error.code) : "unknown error";
    throw new BartizanFault(
      "config",
      `The key file ${file} cannot be read (${why}).`,
      "Check its path and permissions.",
      error,
    );
  }
  if (kdfRounds(bytes) > maxKdfRounds) {
    throw unfit(file, `asks for more than ${maxKdfRounds} rounds of key derivation`);
  }
  return bytes;
}

/** Rounds of bcrypt that an encrypted OpenSSH key (PROTOCOL.key) asks for; 0 for every other key. */
export function kdfRounds(bytes: Buffer): number {
  const body = /-----BEGIN OPENSSH PRIVATE KEY-----([A-Za-z0-9+/=\s]+)-----END/.exec(bytes.toString("latin1"))?.[1];
  if (body === undefined) return 0;
  const blob = Buffer.from(body, "base64");
  const magic = "openssh-key-v1\0";
  if (blob.toString("latin1", 0, magic.length) !== magic) return 0;
  let at = magic.length;
  const readString = (): Buffer => {
    if (at + 4 > blob.length) return Buffer.alloc(0);
    const length = blob.readUInt32BE(at);
    at += 4 + length;
    return blob.subarray(at - length, at);
  };
  readString(); // cipher
  if (readString().toString("latin1") !== "bcrypt") return 0;
  const options = readString();
  const saltLength = options.length >= 4 ? options.readUInt32BE(0) : 0;
  return options.length >= saltLength + 8 ? options.readUInt32BE(4 + saltLength) : 0;
}

function unfit(file: string, why: string): BartizanFault {
  return new BartizanFault("config", `The key file ${file} ${why}.`, "Name a private key made by ssh-keygen.");
}
