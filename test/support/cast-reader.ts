/** Reads a recording by docs/recording.md alone, sharing no code with the server: lines, output bytes, chain, seals. */
import { execFileSync } from "node:child_process";
import { createHash, createPublicKey, type KeyObject, verify } from "node:crypto";
import { readFileSync } from "node:fs";

export interface Cast {
  readonly lines: readonly string[];
  readonly start: Record<string, unknown>;
  /** The target's output, byte for byte. */
  readonly output: Buffer;
  /** Events in order: sum of times in ms, code, text. */
  readonly events: readonly { readonly atMs: number; readonly code: string; readonly text: string }[];
  /** Sizes in order, with the output bytes before each. */
  readonly sizes: readonly { readonly offset: number; readonly size: string }[];
  /** The JSON of comments of one word. */
  comments(word: string): Record<string, unknown>[];
  readonly cuts: number;
  readonly seals: number;
  readonly final: { readonly kind: string } | undefined;
  readonly finalHash: string | undefined;
  /** Bytes behind the last seal: what no signature holds yet. */
  readonly unsealedBytes: number;
}

/** The plain bytes of `ID.cast`, whether it still lies there as it is or is packed by now. */
export function castBytes(path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    return execFileSync("zstd", ["-dcq", `${path}.zst`], { maxBuffer: 1024 ** 3 });
  }
}

/** Throws at the first thing that is not as the page says. A torn last line is left out, as the page says. */
export function readCast(path: string, publicKey: string | KeyObject): Cast {
  const key = typeof publicKey === "string" ? createPublicKey(publicKey) : publicKey;
  const whole = castBytes(path);
  const file = whole.subarray(0, whole.lastIndexOf(0x0a) + 1);
  const lines: string[] = [];
  const comments: { word: string; content: string }[] = [];
  const events: { atMs: number; code: string; text: string }[] = [];
  const sizes: { offset: number; size: string }[] = [];
  const output: Buffer[] = [];
  let outputBytes = 0;
  let tail = Buffer.alloc(0);
  let before: { kind: "bytes" | "screen"; bytes: Buffer } | undefined;
  let atMs = 0;
  let hash = Buffer.alloc(32);
  let chunkStart = 0;
  let cuts = 0;
  let seals = 0;
  let sealedTo = 0;
  let final: Cast["final"];
  let finalHash: string | undefined;
  for (let at = 0; at < file.length; ) {
    const end = file.indexOf(0x0a, at);
    const line = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(file.subarray(at, end));
    if (end - at > 1024 * 1024) throw new Error(`line at ${at} is too long`);
    if (final !== undefined) throw new Error("something follows the final seal");
    lines.push(line);
    const comment = /^# bartizan (\w+) (.*)$/s.exec(line);
    if (lines.length === 1) {
      if (JSON.parse(line).version !== 3) throw new Error("no header");
    } else if (comment?.[1] === "link" || comment?.[1] === "seal") {
      const [, word = "", content = ""] = comment;
      const space = word === "seal" ? content.lastIndexOf(" ") : content.length;
      const json = content.slice(0, space);
      const cut = JSON.parse(json);
      hash = createHash("sha256").update(hash).update(file.subarray(chunkStart, at)).digest();
      const expected = { n: cuts + 1, at, out: outputBytes + tail.length, hash: hash.toString("hex") };
      for (const [name, value] of Object.entries(expected))
        if (cut[name] !== value) throw new Error(`${word} at ${at}: ${name} is ${cut[name]}, not ${value}`);
      if (word === "seal") {
        const signature = Buffer.from(content.slice(space + 1), "base64");
        if (!verify(null, Buffer.from(`bartizan seal 1 ${json}`), key, signature)) throw new Error("bad signature");
        seals += 1;
        sealedTo = end + 1;
        final = cut.final;
        if (final !== undefined) finalHash = cut.hash;
      }
      cuts += 1;
      chunkStart = at;
    } else if (comment?.[1] === "bytes" || comment?.[1] === "screen") {
      before = { kind: comment[1], bytes: Buffer.from(comment[2] ?? "", "base64") };
    } else if (comment?.[1] === "tail") tail = Buffer.from(comment[2] ?? "", "base64");
    else if (comment !== null) {
      comments.push({ word: comment[1] ?? "", content: comment[2] ?? "" });
      if (comment[1] === "gap") {
        const { from, to } = JSON.parse(comment[2] ?? "");
        if (from !== outputBytes + tail.length) throw new Error(`a gap from ${from} at ${outputBytes}`);
        outputBytes = to - tail.length;
      }
    } else if (!line.startsWith("#")) {
      const [seconds, code, text] = JSON.parse(line) as [number, string, string];
      atMs += Math.round(seconds * 1000);
      events.push({ atMs, code, text });
      if (code === "r") sizes.push({ offset: outputBytes + tail.length, size: text });
      if (code === "o" && before?.kind !== "screen") {
        const bytes = before?.bytes ?? Buffer.from(text, "utf8");
        if (!bytes.subarray(0, tail.length).equals(tail)) throw new Error("an event does not begin with its tail");
        tail = Buffer.alloc(0);
        output.push(bytes);
        outputBytes += bytes.length;
      }
      if (code === "o") before = undefined;
      else if (before !== undefined) throw new Error("no o after bytes or screen");
    }
    at = end + 1;
  }
  output.push(tail);
  const parsed = (word: string) =>
    comments.filter((each) => each.word === word).map(({ content }) => JSON.parse(content));
  const [start] = parsed("start");
  if (start === undefined) throw new Error("no start");
  return {
    ...{ lines, start, events, sizes, cuts, seals, final, finalHash },
    output: Buffer.concat(output),
    comments: parsed,
    unsealedBytes: file.length - sealedTo,
  };
}
