/** Opens recordings for replay: finds the screen to begin with, and has an index made where there is none. */
import { BartizanFault } from "../errors.ts";
import type { RecordingId } from "../events.ts";
import { linked, orAborted } from "../flow/life.ts";
import type { Log } from "../log.ts";
import { openRecording, readOwnHead, recordingPaths } from "./archive.ts";
import type { CastHead } from "./cast-head.ts";
import { buildingPath, type CreateScreen, rebuildSidecar } from "./rebuild-sidecar.ts";
import type { RecordingInfo } from "./recording.ts";
import type { RecordingFile } from "./recording-file.ts";
import { type ReplayItem, type ReplayStart, replay } from "./replay.ts";
import { readSidecar, type SidecarEntry } from "./sidecar.ts";

export interface ReplaysNeeds {
  readonly folder: string;
  readonly createScreen: CreateScreen;
  /** The key frame of a cleared terminal. */
  readonly blank: Uint8Array;
  /** Does this session still run? */
  readonly running: (id: RecordingId) => boolean;
  readonly log: Log;
}

/** Disposing ends the making of indexes; replays end by their own signals. */
export interface Replays extends AsyncDisposable {
  /**
   * See `replay`. Throws `not-found` when the file is gone, `DamagedRecording` where it cannot be read, and the
   * signal's reason.
   */
  open(info: RecordingInfo, fromMs: number, signal: AbortSignal): AsyncGenerator<ReplayItem, void, void>;
}

interface Making {
  /** Entries up to this time can be read already. */
  untilMs: number;
  readonly done: Promise<void>;
  readonly waiting: Set<() => void>;
}

/** Below this, drawing from the start costs less than an index. */
const smallBytes = 1024 * 1024;
/** An index that ends so long before its file was cut off by a crash. */
const staleBytes = 8 * 1024 * 1024;

export function openReplays(needs: ReplaysNeeds): Replays {
  const { folder, createScreen, blank, running, log } = needs;
  const closing = new AbortController();
  const making = new Map<RecordingId, Making>();
  /** Whatever came of it: once in the life of this server. */
  const tried = new Set<RecordingId>();
  /** One at a time: each keeps a thread busy. */
  let queue: Promise<void> = Promise.resolve();

  const make = (id: RecordingId): Making => {
    const known = making.get(id);
    if (known !== undefined) return known;
    tried.add(id);
    const waiting = new Set<() => void>();
    const wake = () => {
      for (const each of [...waiting]) each();
    };
    const done = queue.then(async () => {
      try {
        await using file = await openRecording(folder, id);
        if (file === undefined) return;
        const head = await readOwnHead(file, id, closing.signal);
        const onEntry = (atMs: number) => {
          mine.untilMs = atMs;
          wake();
        };
        await rebuildSidecar(file, head, recordingPaths(folder, id).sidecar, createScreen, onEntry, closing.signal);
      } catch (error) {
        if (!closing.signal.aborted) log.warn({ err: error, recording: id }, "an index could not be made");
      } finally {
        making.delete(id);
        mine.untilMs = Number.POSITIVE_INFINITY;
        wake();
      }
    });
    queue = done;
    const mine: Making = { untilMs: -1, done, waiting };
    making.set(id, mine);
    return mine;
  };

  const startOf = async (
    file: RecordingFile,
    info: RecordingInfo,
    head: CastHead,
    fromMs: number,
    signal: AbortSignal,
  ): Promise<ReplayStart> => {
    const begin = beginning(head, blank);
    if (fromMs <= 0) return begin;
    const { sidecar } = recordingPaths(folder, info.id);
    const seen = await readSidecar(sidecar, file, fromMs, signal);
    const size = await file.size();
    const fresh =
      running(info.id) || size < smallBytes || (seen.lastPosition >= 0 && seen.lastPosition + staleBytes > size);
    if (fresh || (tried.has(info.id) && !making.has(info.id))) return startAt(seen.entry, begin);
    const job = make(info.id);
    while (job.untilMs <= fromMs) {
      const { promise, resolve } = Promise.withResolvers<void>();
      job.waiting.add(resolve);
      await orAborted(promise, signal).finally(() => job.waiting.delete(resolve));
    }
    const made = await readSidecar(buildingPath(sidecar), file, fromMs, signal);
    return startAt(made.entry ?? (await readSidecar(sidecar, file, fromMs, signal)).entry, begin);
  };

  return {
    async *open(info, fromMs, signal) {
      await using file = await openRecording(folder, info.id);
      if (file === undefined) throw fileGone();
      using life = linked(signal, closing.signal);
      const head = await readOwnHead(file, info.id, life.signal);
      const start = await startOf(file, info, head, fromMs, life.signal);
      yield* replay(file, info, start, () => running(info.id), life.signal);
    },
    async [Symbol.asyncDispose]() {
      closing.abort(new BartizanFault("draining", "This node has stopped."));
      await queue;
    },
  };
}

/** The caller may see the recording, yet there is nothing to see. */
export function fileGone(): BartizanFault {
  return new BartizanFault(
    "not-found",
    "The file of this recording is gone.",
    "`bartizan verify` tells whether it was deleted here.",
  );
}

function beginning({ start, bodyPosition }: CastHead, blank: Uint8Array): ReplayStart {
  return {
    frame: {
      ...{ kind: "key-frame", offset: 0, atMs: 0, size: start.size, bytes: blank },
      ...{ skippedBytes: 0, approximate: false },
    },
    point: { position: bodyPosition, atMs: 0, offset: 0, size: start.size },
  };
}

function startAt(entry: SidecarEntry | undefined, begin: ReplayStart): ReplayStart {
  if (entry === undefined || entry.position < begin.point.position) return begin;
  const { atMs, offset, position, size, bytes } = entry;
  return {
    frame: { kind: "key-frame", offset, atMs, size, bytes, skippedBytes: 0, approximate: false },
    point: { position, atMs, offset, size },
  };
}
