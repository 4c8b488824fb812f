/** Looks after what is recorded: removes what is past its time, packs the rest. At the start, and then every hour. */
import { statSync } from "node:fs";
import type { Audit } from "../audit.ts";
import type { Clock } from "../flow/clock.ts";
import type { Log } from "../log.ts";
import { recordingPaths, removeRecording } from "./archive.ts";
import type { Catalogue, PagePoint } from "./catalogue.ts";
import { compressRecording } from "./compress.ts";
import type { RecordingInfo } from "./recording.ts";
import { relistPacked } from "./relist-packed.ts";

export interface Retention {
  /** Recordings that ended so long ago go; undefined: none by age. */
  readonly days?: number | undefined;
  /** So much may all of them have on the disk: the oldest go first; undefined: as much as there is. */
  readonly bytes?: number | undefined;
}

export interface KeeperNeeds {
  readonly folder: string;
  readonly catalogue: Catalogue;
  readonly audit: Pick<Audit, "note">;
  readonly clock: Clock;
  readonly log: Log;
  readonly retention: Retention;
  /** The first round waits for it: recordings that a crash left are put right first. */
  readonly after?: Promise<void>;
}

/** Disposing stops what is under way, in good order. */
export interface Keeper extends AsyncDisposable {
  /** One round now, or the one under way. Never rejects: what fails is logged, and tried again in the next. */
  run(): Promise<void>;
}

const everyMs = 3_600_000;
const dayMs = 86_400_000;
const pageLength = 100;

export function openKeeper(needs: KeeperNeeds): Keeper {
  const stop = new AbortController();
  let running: Promise<void> | undefined;
  const run = (): Promise<void> => {
    running ??= round(needs, stop.signal).finally(() => {
      running = undefined;
    });
    return running;
  };
  const timer = needs.clock.every(everyMs, () => void run());
  // What is not listed would never be removed.
  running = Promise.resolve(needs.after)
    .then(() => relistPacked(needs, stop.signal))
    .then(() => round(needs, stop.signal))
    .finally(() => {
      running = undefined;
    });
  return {
    run,
    async [Symbol.asyncDispose]() {
      timer[Symbol.dispose]();
      stop.abort();
      await running;
    },
  };
}

async function round(needs: KeeperNeeds, signal: AbortSignal): Promise<void> {
  const { catalogue, clock, retention, log } = needs;
  const oldestMs = retention.days === undefined ? undefined : clock.wallMs() - retention.days * dayMs;
  const mostBytes = retention.bytes ?? Number.POSITIVE_INFINITY;
  let bytes = 0;
  for await (const info of everyRecording(catalogue)) {
    if (signal.aborted) return;
    bytes += info.fileBytes;
    if (info.state === "live") continue;
    const old = oldestMs !== undefined && info.startedAtMs + info.durationMs < oldestMs;
    try {
      if (old) await expire(needs, info, `older than ${retention.days} days`);
      else if (bytes > mostBytes) await expire(needs, info, `more than ${retention.bytes} bytes in all`);
      else if (!info.compressed && (info.state === "sealed" || info.state === "incomplete"))
        await compress(needs, info, signal);
    } catch (error) {
      if (!signal.aborted) log.warn({ err: error, recording: info.id }, "a recording could not be looked after");
    }
  }
}

/** The tombstone first: a file that is gone without one is missing. */
async function expire(
  { audit, folder, catalogue }: KeeperNeeds,
  { id, sessionId, seal }: RecordingInfo,
  reason: string,
): Promise<void> {
  const about = { recording: id, session: sessionId, ...(seal === undefined ? {} : { seal }) };
  audit.note({ kind: "recording-expired", ...about, reason });
  await removeRecording(folder, id);
  catalogue.remove(id);
}

async function compress({ folder, catalogue }: KeeperNeeds, { id }: RecordingInfo, signal: AbortSignal): Promise<void> {
  const fileBytes = await compressRecording(folder, id, signal).catch((error: unknown) => {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    // Packed already, by a server that died before it said so; else the file is missing: not this room's to tell.
    return statSync(recordingPaths(folder, id).compressed, { throwIfNoEntry: false })?.size;
  });
  if (fileBytes !== undefined) catalogue.change(id, { compressed: true, fileBytes });
}

/** Newest first; others may run between two pages. */
async function* everyRecording(catalogue: Catalogue): AsyncGenerator<RecordingInfo, void, void> {
  for (let after: PagePoint | undefined; ; ) {
    const page = catalogue.list({}, pageLength, after);
    yield* page;
    after = page.at(-1);
    if (after === undefined || page.length < pageLength) return;
    await new Promise((resolve) => setImmediate(resolve));
  }
}
