/** Looks after what is recorded: removes what is past its time, packs the rest: at the start, hourly, and soon after a seal. */
import { statSync } from "node:fs";
import type { Audit } from "../audit.ts";
import type { RecordingId } from "../events.ts";
import type { Clock } from "../flow/clock.ts";
import type { Log } from "../log.ts";
import { recordingPaths, removeRecording } from "./archive.ts";
import type { Catalogue, PagePoint } from "./catalogue.ts";
import { compressRecording } from "./compress.ts";
import type { Erase } from "./erase.ts";
import type { RecordingInfo } from "./recording.ts";

export interface Retention {
  /** Recordings that ended so long ago go; undefined: none by age. */
  readonly days?: number | undefined;
  /** So much may all of them have on the disk: the oldest go first; undefined: as much as there is. */
  readonly bytes?: number | undefined;
}

export interface KeeperNeeds {
  readonly folder: string;
  readonly catalogue: Catalogue;
  readonly erase: Erase;
  readonly audit: Pick<Audit, "write">;
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
  /** Its file is complete and closed: packs it in half a minute. Whoever reads the plain file then reads it to its end. */
  closed(id: RecordingId): void;
}

/** Most of those who watched it to the end and look again do so within this. */
const packAfterMs = 30_000;
const everyMs = 3_600_000;
const dayMs = 86_400_000;
const pageLength = 100;

export function openKeeper(needs: KeeperNeeds): Keeper {
  const { clock, after } = needs;
  const stop = new AbortController();
  const closed = new Set<RecordingId>();
  let packing: Disposable | undefined;
  let running: Promise<void> | undefined;
  /** One thing at a time. What is not listed would never be removed. */
  let last: Promise<void> = Promise.resolve(after);
  const next = (work: () => Promise<void>): Promise<void> => {
    last = last.then(work).catch((error) => needs.log.error({ err: error }, "the recordings cannot be looked after"));
    return last;
  };
  const run = (): Promise<void> => {
    running ??= next(() => round(needs, stop.signal)).finally(() => {
      running = undefined;
    });
    return running;
  };
  const packClosed = async () => {
    for (const id of closed) {
      if (stop.signal.aborted) return;
      closed.delete(id);
      await lookAfter(
        needs,
        id,
        async () => {
          const info = needs.catalogue.find(id);
          if (info !== undefined) await pack(needs, info, stop.signal);
        },
        stop.signal,
      );
    }
  };
  const timer = clock.every(everyMs, () => void run());
  void run();
  return {
    run,
    closed(id) {
      closed.add(id);
      if (stop.signal.aborted) return;
      packing ??= clock.after(packAfterMs, () => {
        packing = undefined;
        void next(packClosed);
      });
    },
    async [Symbol.asyncDispose]() {
      timer[Symbol.dispose]();
      stop.abort();
      packing?.[Symbol.dispose]();
      await last;
    },
  };
}

/** What fails is logged, and tried again in the next round. */
async function lookAfter(
  { log }: KeeperNeeds,
  recording: RecordingId,
  work: () => Promise<void>,
  signal: AbortSignal,
): Promise<void> {
  try {
    await work();
  } catch (error) {
    if (!signal.aborted) log.warn({ err: error, recording }, "a recording could not be looked after");
  }
}

async function round(needs: KeeperNeeds, signal: AbortSignal): Promise<void> {
  const { catalogue, clock, retention } = needs;
  const oldestMs = retention.days === undefined ? undefined : clock.wallMs() - retention.days * dayMs;
  const mostBytes = retention.bytes ?? Number.POSITIVE_INFINITY;
  let bytes = 0;
  for await (const info of everyRecording(catalogue)) {
    if (signal.aborted) return;
    bytes += info.fileBytes;
    if (info.state === "live") continue;
    const old = oldestMs !== undefined && info.startedAtMs + info.durationMs < oldestMs;
    const look = async () => {
      if (old) await expire(needs, info, `older than ${retention.days} days`);
      else if (bytes > mostBytes) await expire(needs, info, `more than ${retention.bytes} bytes in all`);
      else await pack(needs, info, signal);
    };
    await lookAfter(needs, info.id, look, signal);
  }
}

/** The tombstone first: a file that is gone without one is missing. */
async function expire(
  { audit, erase }: KeeperNeeds,
  { id, sessionId, seal }: RecordingInfo,
  reason: string,
): Promise<void> {
  const about = { recording: id, session: sessionId, ...(seal === undefined ? {} : { seal }) };
  audit.write({ event: "recording-expired", ...about, reason });
  await erase({ id, sessionId });
}

/** Unless it is packed, or not whole. */
async function pack({ folder, catalogue }: KeeperNeeds, info: RecordingInfo, signal: AbortSignal): Promise<void> {
  const { id, state, compressed } = info;
  if (compressed || (state !== "sealed" && state !== "incomplete")) return;
  try {
    const fileBytes = await compressRecording(folder, id, signal).catch((error: unknown) => {
      if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
      // Packed already, by a server that died before it said so; else the file is missing: not this room's to tell.
      return statSync(recordingPaths(folder, id).compressed, { throwIfNoEntry: false })?.size;
    });
    if (fileBytes !== undefined) catalogue.change(id, { compressed: true, fileBytes });
  } finally {
    // Erased meanwhile: the packed file may have come after that.
    if (catalogue.find(id) === undefined) await removeRecording(folder, id);
  }
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
