/** The keys of a deployment: what its nodes know one another by. */
import { readFileSync } from "node:fs";
import { BartizanFault } from "../errors.ts";

/** One key a line, 64 hexadecimal digits; empty lines and `#` lines do not count. Undefined when it is anything else. */
export function keysOf(text: string): Buffer[] | undefined {
  const lines = text.split("\n").map((line) => line.trim());
  const keys = lines.filter((line) => line !== "" && !line.startsWith("#"));
  if (keys.length === 0 || keys.some((key) => !/^[0-9a-f]{64}$/i.test(key))) return undefined;
  return keys.map((key) => Buffer.from(key, "hex"));
}

/** The first key seals, all of them open: so a new one can be handed round before it is used. Throws `config`. */
export function readGroupKeys(file: string): Buffer[] {
  let keys: Buffer[] | undefined;
  try {
    keys = keysOf(readFileSync(file, "utf8"));
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? "unknown error";
    throw new BartizanFault("config", `Cannot read ${file} (${code}).`, "group.keyFile needs a file of keys.", error);
  }
  if (keys !== undefined) return keys;
  throw new BartizanFault(
    "config",
    `${file} has to be lines of 64 hexadecimal digits.`,
    "Make one with `openssl rand -hex 32` and give it to every node.",
  );
}
