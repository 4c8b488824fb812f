/** Tells whether a recording is what was written: docs/recording.md, "Verifying". Streaming; bears anything. */
import { isUtf8 } from "node:buffer";
import { createHash, type Hash, type KeyObject, verify as verifySignature } from "node:crypto";
import { isDeepStrictEqual } from "node:util";
import { type CastBlock, readBlocks } from "./cast-blocks.ts";
import { parseHead } from "./cast-head.ts";
import { type CastLine, type JsonObject, parseCastLine } from "./cast-line.ts";
import { DamagedRecording } from "./damaged-recording.ts";
import type { RecordingFile } from "./recording-file.ts";
import { type ScannedOutput, scanOutput } from "./scan-output.ts";

export type VerdictWord = "complete" | "incomplete" | "gap" | "altered" | "unsigned" | "missing";

export interface Verification {
  readonly verdict: VerdictWord;
  /** One line for people: what is wrong, and where. */
  readonly detail: string;
  /** As the file itself says; undefined when it does not come to that. */
  readonly recording?: string;
  readonly session?: string;
  /** The hash of the final seal, its time and its cause, as they stand there. */
  readonly seal?: string;
  readonly endMs?: number;
  readonly cause?: unknown;
  readonly outputBytes: number;
}

export interface VerifyOptions {
  /** The public key of this id, when it is known. */
  readonly keyOf: (keyId: string) => KeyObject | undefined;
  /** The hash of the final seal that the audit log has for this recording. */
  readonly sealOf?: (recording: string) => string | undefined;
  /** Called with the bytes read so far, often. */
  readonly onProgress?: (bytes: number) => void;
  readonly signal: AbortSignal;
}

/** The file's version or format is not one that this program knows. */
export class UnknownFormatError extends Error {
  override readonly name = "UnknownFormatError";
}

const readBytes = 512 * 1024;
const lineFeed = 0x0a;

/** Never throws for what the file holds, except UnknownFormatError; throws what reading throws, and the signal's reason. */
export async function verifyRecording(file: RecordingFile, options: VerifyOptions): Promise<Verification> {
  const chain = createChain(options);
  try {
    for await (const block of readBlocks(file, 0, options.signal, readBytes)) {
      if (block.torn) chain.torn(block);
      else chain.take(block);
      options.onProgress?.(block.position + block.bytes.length);
    }
    return chain.result();
  } catch (error) {
    if (!(error instanceof DamagedRecording)) throw error;
    return chain.altered(error);
  }
}

interface Cut {
  readonly json: JsonObject;
  readonly final: unknown;
}

function createChain({ keyOf, sealOf }: VerifyOptions) {
  const scanned: ScannedOutput = { textBytes: 0, afterMs: 0, next: 0 };
  let header: Buffer | undefined;
  let start: { readonly recording: string; readonly session: string; readonly keyId: string } | undefined;
  let hash: Hash = createHash("sha256").update(Buffer.alloc(32));
  let cuts = 0;
  let out = 0;
  let tailBytes = 0;
  let exactBytes: number | undefined;
  let screen = false;
  let gaps = 0;
  let seals = 0;
  let unknownKey = false;
  let end: JsonObject | undefined;
  let final: Cut | undefined;

  const wrong = (position: number, what: string): never => {
    throw new DamagedRecording(position, what);
  };

  const output = (bytes: number) => {
    if (screen) screen = false;
    else out += exactBytes ?? bytes;
    exactBytes = undefined;
    tailBytes = 0;
  };

  /** Everything but a plain output line. */
  const line = (bytes: Buffer, position: number, takeUntil: (position: number) => void) => {
    if (start === undefined) return head(bytes, position);
    const parsed = parseCastLine(bytes);
    if (parsed === undefined) return wrong(position, "a line is neither an event nor a comment");
    if (parsed.kind === "output") return output(Buffer.byteLength(parsed.text, "utf8"));
    if ((exactBytes !== undefined || screen) && "afterMs" in parsed)
      return wrong(position, "exact bytes stand before an event that is no output");
    switch (parsed.kind) {
      case "bytes":
        exactBytes = parsed.bytes.length;
        return;
      case "screen":
        screen = true;
        return;
      case "tail":
        tailBytes = parsed.bytes.length;
        return;
      case "gap": {
        const { to } = parsed.json;
        if (!Number.isSafeInteger(to) || Number(to) < out) return wrong(position, "a gap goes backwards");
        gaps += 1;
        out = Number(to);
        return;
      }
      case "end":
        end = parsed.json;
        return;
      case "start":
        return wrong(position, "it begins a second time");
      case "link":
      case "seal":
        takeUntil(position);
        return cut(parsed, position);
    }
  };

  const head = (bytes: Buffer, position: number) => {
    const first = header ?? Buffer.from(bytes);
    const found = parseHead(first, header === undefined ? undefined : bytes);
    if ("problem" in found) {
      if (found.problem === "foreign") throw new UnknownFormatError("This version of the format is not known.");
      if (found.problem === "no-header") return wrong(position, "the first line is no header");
      if (found.problem === "no-start") return wrong(position, "the second line does not say what it is of");
      header = first;
      return;
    }
    start = { recording: found.id, session: found.sessionId, keyId: found.keyId };
  };

  const cut = (parsed: Extract<CastLine, { kind: "link" | "seal" }>, position: number) => {
    const { json } = parsed;
    cuts += 1;
    const is = hash.digest("hex");
    if (json.hash !== is) return wrong(position, `what stands before cutting line ${cuts} is not what was written`);
    if (json.n !== cuts || json.at !== position || json.out !== out + tailBytes)
      return wrong(position, `cutting line ${cuts} does not fit its place`);
    hash = createHash("sha256").update(Buffer.from(is, "hex"));
    if (parsed.kind === "link") return;
    seals += 1;
    if (json.recording !== start?.recording || json.session !== start?.session || json.key !== start?.keyId)
      return wrong(position, "a seal is of another recording");
    const key = keyOf(start?.keyId ?? "");
    if (key === undefined) unknownKey = true;
    else if (!verifySignature(null, Buffer.from(`bartizan seal 1 ${parsed.signed}`), key, parsed.signature))
      return wrong(position, `the signature of cutting line ${cuts} does not fit`);
    if (!("final" in json)) return;
    if (!isDeepStrictEqual(json.final, end?.cause)) return wrong(position, "the end and the final seal differ");
    final = { json, final: json.final };
  };

  const found = (verdict: VerdictWord, detail: string): Verification => ({
    ...{ verdict, detail, outputBytes: out + tailBytes },
    ...(start === undefined ? {} : { recording: start.recording, session: start.session }),
    ...(final === undefined ? {} : { seal: String(final.json.hash), endMs: Number(final.json.ms), cause: final.final }),
  });

  return {
    take({ position, bytes }: CastBlock) {
      let hashed = 0;
      const takeUntil = (to: number) => {
        hash.update(bytes.subarray(hashed, to - position));
        hashed = to - position;
      };
      const valid = start !== undefined && isUtf8(bytes);
      for (let at = 0; at < bytes.length; ) {
        if (final !== undefined) wrong(position + at, "something stands behind the final seal");
        if (valid && scanOutput(bytes, at, scanned)) {
          output(scanned.textBytes);
          at = scanned.next;
          continue;
        }
        const next = bytes.indexOf(lineFeed, at);
        line(bytes.subarray(at, next), position + at, takeUntil);
        at = next + 1;
      }
      takeUntil(position + bytes.length);
    },
    torn({ position }: CastBlock) {
      if (final !== undefined) wrong(position, "something stands behind the final seal");
    },
    altered: (error: DamagedRecording): Verification => found("altered", `at byte ${error.position}: ${error.what}`),
    result(): Verification {
      const { recording = "", keyId = "" } = start ?? {};
      const audited = recording === "" ? undefined : sealOf?.(recording);
      const seal = final === undefined ? undefined : String(final.json.hash);
      if (audited !== undefined && audited !== seal)
        return found("altered", "the audit log knows another end of this recording");
      if (seals === 0) return found("unsigned", "there is no seal in it");
      if (unknownKey) return found("unsigned", `the key of its seals, ${keyId}, is not known here`);
      if (final === undefined)
        return found("incomplete", "there is no final seal: the session runs, or the server died");
      const { kind } = (final.final ?? {}) as JsonObject;
      if (kind === "incomplete") return found("incomplete", "the server died during this session");
      if (gaps > 0) return found("gap", `output is missing in ${gaps} ${gaps === 1 ? "place" : "places"}`);
      return found("complete", `${out} bytes of output`);
    },
  };
}
