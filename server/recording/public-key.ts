/** The public half of the keys that seal recordings, and their ids. */
import { createHash, createPublicKey, type KeyObject } from "node:crypto";

/** The first 16 hexadecimal digits of the SHA-256 of the raw public key: as `start` and seals name it. */
export function keyIdOf(key: KeyObject): string {
  const raw = Buffer.from(key.export({ format: "jwk" }).x ?? "", "base64url");
  return createHash("sha256").update(raw).digest("hex").slice(0, 16);
}

/** Finds the key of an id among these, each in PEM (SPKI, Ed25519). Throws Error for any other text. */
export function keyRing(pems: readonly string[]): (id: string) => KeyObject | undefined {
  const keys = new Map<string, KeyObject>();
  for (const pem of pems) {
    const key = createPublicKey(pem);
    if (key.asymmetricKeyType !== "ed25519") throw new Error("not an Ed25519 key");
    keys.set(keyIdOf(key), key);
  }
  return (id) => keys.get(id);
}
