/** Puts right what a crash left behind: unfinished files are sealed, the list fits the files again. Run at each start. */
import { lstat, readdir } from "node:fs/promises";
import { setImmediate } from "node:timers/promises";
import type { Audit } from "../audit.ts";
import type { RecordingId } from "../events.ts";
import type { Log } from "../log.ts";
import { recordingPaths } from "./archive.ts";
import { parseHead } from "./cast-head.ts";
import { type CastTail, readTail } from "./cast-tail.ts";
import { CastWriter } from "./cast-writer.ts";
import type { Catalogue, PagePoint } from "./catalogue.ts";
import type { Disk } from "./disk.ts";
import type { LineBuffer } from "./line-buffer.ts";
import { keyRing } from "./public-key.ts";
import type { RecordingInfo, RecordingState } from "./recording.ts";
import { castPath, recordingIdOf } from "./recording-id.ts";
import { relist } from "./relist.ts";
import type { SealKey } from "./seal-key.ts";

export interface ReconcileNeeds {
  readonly folder: string;
  readonly disk: Disk;
  readonly log: Log;
  readonly audit: Pick<Audit, "note">;
  readonly catalogue: Catalogue;
  readonly key: SealKey;
  /** A buffer of its own: this waits between its lines. */
  readonly lines: LineBuffer;
  /** Its session runs: not to be touched. */
  readonly isLive: (id: RecordingId) => boolean;
}

const headBytes = 256 * 1024;
const firstWindowBytes = 2 * 1024 * 1024;
const pageRows = 500;
/** The chain has a line each 64 KiB: what has none in so much is no recording. */
const largestWindowBytes = 64 * 1024 * 1024;

/**
 * A torn last line is cut off, the file sealed with the cause "incomplete", and listed; one that holds no whole beginning
 * is removed: nobody was shown anything. A file that is not listed is listed anew; a row without a file becomes "missing".
 * One bad file stops nothing. Ends early when the signal aborts.
 */
export async function reconcile(need: ReconcileNeeds, signal: AbortSignal): Promise<void> {
  const { folder, log, isLive, catalogue } = need;
  const names = await readdir(folder);
  const files = new Map<RecordingId, "plain" | "compressed">();
  for (const name of names) {
    const id = recordingIdOf(name);
    if (id !== undefined && files.get(id) !== "plain") files.set(id, name.endsWith(".zst") ? "compressed" : "plain");
  }
  await markMissing(need, files, signal);
  let looked = 0;
  for (const [id, form] of files) {
    if (signal.aborted) return;
    // Sessions run meanwhile.
    if (++looked % pageRows === 0) await setImmediate();
    const row = catalogue.find(id);
    const settled = row !== undefined && row.state !== "live" && row.state !== "missing" && row.seal !== undefined;
    if (settled || isLive(id)) continue;
    try {
      if (form === "plain") await putRight(need, id, row);
      if (row === undefined || row.state === "missing") await listAgain(need, id, signal);
    } catch (error) {
      log.error({ err: error, recording: id }, "a recording cannot be put right");
    }
  }
}

async function markMissing(need: ReconcileNeeds, files: ReadonlyMap<string, unknown>, signal: AbortSignal) {
  const { catalogue, isLive } = need;
  let after: PagePoint | undefined;
  do {
    const page = catalogue.list({}, pageRows, after);
    for (const { id, state } of page) {
      if (files.has(id) || state === "missing" || isLive(id)) continue;
      // One that began and ended since the folder was read.
      if (await isThere(need, id)) continue;
      catalogue.change(id, { state: "missing" });
      need.audit.note({ event: "recording-missing", recording: id });
    }
    after = page.length < pageRows ? undefined : page.at(-1);
    await setImmediate();
  } while (after !== undefined && !signal.aborted);
}

async function isThere({ folder }: ReconcileNeeds, id: RecordingId): Promise<boolean> {
  const { plain, compressed } = recordingPaths(folder, id);
  const looks = [plain, compressed].map((path) =>
    lstat(path).then(
      () => true,
      () => false,
    ),
  );
  return (await Promise.all(looks)).includes(true);
}

async function listAgain(need: ReconcileNeeds, id: RecordingId, signal: AbortSignal): Promise<void> {
  const { folder, catalogue, key, log } = need;
  const found = await relist({ folder, catalogue, keyOf: keyRing([key.publicKey]) }, id, signal);
  if (found !== undefined)
    log.info({ recording: id, session: found.sessionId, state: found.state }, "recording listed");
}

async function putRight(need: ReconcileNeeds, id: RecordingId, row: RecordingInfo | undefined): Promise<void> {
  const { folder, disk, catalogue, key, log } = need;
  const path = castPath(folder, id);
  const fd = await disk.openOld(path);
  try {
    const size = await disk.size(fd);
    const head = headOf(await disk.read(fd, 0, Math.min(size, headBytes)));
    if ("problem" in head || head.id !== id) {
      if (size > headBytes || !("problem" in head)) throw new Error("it is no recording of this name");
      await disk.remove(path);
      catalogue.remove(id);
      return;
    }
    const tail = await tailOf(disk, fd, size);
    let { seal } = tail;
    let fileBytes = size;
    if (seal === undefined && head.keyId === key.id) {
      const writer = new CastWriter(need.lines, key, head);
      const { state, atMs, cause } = tail;
      await disk.truncate(fd, state.position);
      writer.restore(state, await disk.read(fd, state.chunkStart, state.position));
      seal = cause === undefined ? writer.end({ kind: "incomplete" }, atMs) : writer.seal(atMs, cause);
      const bytes = writer.take();
      for (let at = 0; at < bytes.length; ) at += disk.writeSync(fd, bytes.subarray(at));
      await disk.datasync(fd);
      fileBytes = writer.state.position;
    }
    const cause = tail.cause ?? { kind: "incomplete" };
    const whole: RecordingState = cause.kind === "incomplete" ? "incomplete" : "sealed";
    const state: RecordingState = row?.state === "damaged" ? "damaged" : whole;
    const figures = { durationMs: tail.atMs, outputBytes: tail.state.outputBytes, fileBytes, cause, state };
    const known = { ...figures, ...(seal === undefined ? {} : { seal }) };
    if (row !== undefined) catalogue.change(id, known);
    log.info({ recording: id, session: head.sessionId, state }, "recording put right");
    // The crash may have come between its seal and the line in the audit log that tells of it.
    if (seal !== undefined && (tail.seal === undefined || row?.state === "live"))
      need.audit.note({
        event: "recording-reconciled",
        recording: id,
        session: head.sessionId,
        seal,
        cause: cause.kind,
      });
  } finally {
    await disk.close(fd);
  }
}

function headOf(bytes: Buffer): ReturnType<typeof parseHead> {
  const first = bytes.indexOf(0x0a);
  const second = first < 0 ? -1 : bytes.indexOf(0x0a, first + 1);
  return parseHead(
    first < 0 ? undefined : bytes.subarray(0, first),
    second < 0 ? undefined : bytes.subarray(first + 1, second),
  );
}

async function tailOf(disk: Disk, fd: number, size: number): Promise<CastTail> {
  for (let windowBytes = firstWindowBytes; ; windowBytes *= 4) {
    const first = Math.max(0, size - windowBytes);
    const tail = readTail(await disk.read(fd, first, size), first);
    if (tail !== undefined) return tail;
    if (windowBytes > largestWindowBytes) throw new Error("its last lines are no recording's");
  }
}
