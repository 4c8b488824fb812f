/** Makes recordings for tests, after docs/recording.md alone, without the recorder: whole, cut off, with gaps and raw bytes. */
import { createHash, createPublicKey, generateKeyPairSync, type KeyObject, sign } from "node:crypto";
import type { RecordingId, SessionId, TermSize } from "../../server/events.ts";
import type { RecordedCause, RecordingInfo } from "../../server/recording/recording.ts";

export interface MakerKey {
  readonly id: string;
  readonly publicKey: KeyObject;
  readonly pem: string;
  readonly privateKey: KeyObject;
}

export function makeKey(): MakerKey {
  const { publicKey, privateKey } = generateKeyPairSync("ed25519");
  return { publicKey, privateKey, pem: pemOf(publicKey), id: keyIdOf(publicKey) };
}

function pemOf(key: KeyObject): string {
  return key.export({ type: "spki", format: "pem" }).toString();
}

export function keyIdOf(key: KeyObject): string {
  const raw = createPublicKey(pemOf(key)).export({ format: "der", type: "spki" }).subarray(-32);
  return createHash("sha256").update(raw).digest("hex").slice(0, 16);
}

export interface MakerStart {
  readonly id: string;
  readonly session: string;
  readonly operator: string;
  readonly target: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly startedAtMs: number;
  readonly size: TermSize;
  readonly title: string;
}

export function startFor(number: number, changes: Partial<MakerStart> = {}): MakerStart {
  return {
    id: number.toString(16).padStart(32, "0"),
    session: `test-${number}`,
    ...{ operator: "alice", target: "web1", labels: { team: "shop" }, startedAtMs: 1_795_680_000_000 + number * 1000 },
    size: { cols: 80, rows: 24 },
    title: "alice on web1",
    ...changes,
  };
}

/** Lines as they go; `take` gives them in pieces, `bytes` in one. */
export interface CastMaker {
  output(bytes: Uint8Array | string, atMs: number): void;
  resize(size: TermSize, atMs: number): void;
  marker(text: string, atMs: number): void;
  comment(word: string, json: object): void;
  raw(line: string): void;
  tail(bytes: Uint8Array): void;
  gap(to: number, atMs: number, screen: string): void;
  link(): void;
  seal(final?: RecordedCause): void;
  end(cause: RecordedCause): void;
  take(): Buffer;
  /** The state so far. */
  readonly out: number;
  readonly position: number;
  readonly lastMs: number;
  readonly hash: string;
}

const linkEveryBytes = 64 * 1024;
const sealEveryMs = 700;

export function makeCast(start: MakerStart, key: MakerKey): CastMaker {
  let pieces: Buffer[] = [];
  let position = 0;
  let out = 0;
  let tailBytes = 0;
  let lastMs = 0;
  let n = 0;
  let hash = "0".repeat(64);
  let chunkAt = 0;
  let sealedMs = 0;
  let chunk = createHash("sha256").update(Buffer.from(hash, "hex"));
  const put = (line: string) => {
    const bytes = Buffer.from(`${line}\n`);
    pieces.push(bytes);
    chunk.update(bytes);
    position += bytes.length;
  };
  const event = (atMs: number, code: string, data: string) => {
    put(`[${((atMs - lastMs) / 1000).toFixed(3)}, "${code}", ${JSON.stringify(data)}]`);
    lastMs = atMs;
  };
  const cut = (more: object) => {
    n += 1;
    hash = chunk.digest("hex");
    chunk = createHash("sha256").update(Buffer.from(hash, "hex"));
    chunkAt = position;
    return JSON.stringify({ n, at: position, out: out + tailBytes, ms: lastMs, hash, ...more });
  };
  const maker: CastMaker = {
    output(given, atMs) {
      const bytes = Buffer.from(given as string);
      const text = bytes.toString("utf8");
      if (!Buffer.from(text).equals(bytes)) put(`# bartizan bytes ${bytes.toString("base64")}`);
      event(atMs, "o", text);
      out += bytes.length;
      tailBytes = 0;
      if (atMs - sealedMs >= sealEveryMs) maker.seal();
      else if (position - chunkAt >= linkEveryBytes) maker.link();
    },
    resize: (size, atMs) => event(atMs, "r", `${size.cols}x${size.rows}`),
    marker: (text, atMs) => event(atMs, "m", text),
    comment: (word, json) => put(`# bartizan ${word} ${JSON.stringify(json)}`),
    raw: put,
    tail(bytes) {
      put(`# bartizan tail ${Buffer.from(bytes).toString("base64")}`);
      tailBytes = bytes.length;
    },
    gap(to, atMs, screen) {
      put(`# bartizan gap ${JSON.stringify({ at: atMs, from: out, to, reason: "disk full" })}`);
      out = to;
      put(`# bartizan screen ${Buffer.from(screen).toString("base64")}`);
      event(atMs, "o", screen);
    },
    link: () => put(`# bartizan link ${cut({})}`),
    seal(final) {
      sealedMs = lastMs;
      const json = cut({ recording: start.id, session: start.session, key: key.id, ...(final && { final }) });
      const signature = sign(null, Buffer.from(`bartizan seal 1 ${json}`), key.privateKey).toString("base64");
      put(`# bartizan seal ${json} ${signature}`);
    },
    end(cause) {
      if (cause.kind === "exited") event(lastMs, "x", String(cause.code));
      put(`# bartizan end ${JSON.stringify({ at: lastMs, offset: out, cause })}`);
      maker.seal(cause);
    },
    take() {
      const all = Buffer.concat(pieces);
      pieces = [];
      return all;
    },
    get out() {
      return out;
    },
    get position() {
      return position;
    },
    get lastMs() {
      return lastMs;
    },
    get hash() {
      return hash;
    },
  };
  const term = { cols: start.size.cols, rows: start.size.rows, type: "xterm-256color" };
  put(JSON.stringify({ version: 3, term, timestamp: Math.floor(start.startedAtMs / 1000), title: start.title }));
  maker.comment("start", {
    ...{ format: 1, recording: start.id, session: start.session, epoch: "e1", node: "test", instance: "i1" },
    ...{ operator: start.operator, target: start.target, user: "deploy", labels: start.labels },
    ...{ wallMs: start.startedAtMs, mode: "strict", key: key.id },
  });
  return maker;
}

/** The row of the catalogue for what was made. */
export function infoFor(start: MakerStart, maker: CastMaker, changes: Partial<RecordingInfo> = {}): RecordingInfo {
  return {
    ...{ id: start.id as RecordingId, sessionId: start.session as SessionId, epoch: "e1", node: "test" },
    ...{ operator: { name: start.operator }, target: start.target, targetUser: "deploy", labels: start.labels },
    ...{ startedAtMs: start.startedAtMs, size: start.size, mode: "strict", state: "sealed" },
    ...{ durationMs: maker.lastMs, outputBytes: maker.out, fileBytes: maker.position, compressed: false, commands: 0 },
    ...{ cause: { kind: "exited", code: 0 }, seal: maker.hash },
    ...changes,
  };
}
