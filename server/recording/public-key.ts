/** The public halves of keys that seal recordings, found by their ids. */
import { createPublicKey, type KeyObject } from "node:crypto";
import { keyIdOf } from "./seal-key.ts";

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
