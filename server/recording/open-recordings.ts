/** Opens what recording needs, in order: list, reserve, recorders; and has what a crash left behind put right. */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import type { Audit } from "../audit.ts";
import type { RecordingId } from "../events.ts";
import type { Clock } from "../flow/clock.ts";
import type { Log } from "../log.ts";
import { lockFolder } from "../store/folder-lock.ts";
import { type Catalogue, openCatalogue } from "./catalogue.ts";
import { type Disk, realDisk } from "./disk.ts";
import { openDiskReserve } from "./disk-reserve.ts";
import { LineBuffer } from "./line-buffer.ts";
import { reconcile } from "./reconcile.ts";
import type { SealKey } from "./seal-key.ts";
import { SessionRecorders } from "./session-recorders.ts";

export interface OpenRecordingsNeeds {
  /** Has the list; the caller holds its lock. */
  readonly data: string;
  readonly key: SealKey;
  /** Has the files. */
  readonly folder: string;
  readonly bestEffort: Readonly<Record<string, string>>;
  readonly reserveBytes: number;
  readonly clock: Clock;
  readonly log: Log;
  readonly audit: Pick<Audit, "note">;
  readonly disk?: Disk | undefined;
  /** A recording's file is closed; nothing more comes. */
  readonly onClosed: (id: RecordingId) => void;
}

export interface Recordings extends AsyncDisposable {
  readonly folder: string;
  readonly recorders: SessionRecorders;
  readonly catalogue: Catalogue;
  /** Resolves when what a crash left behind is put right; never rejects. */
  readonly reconciled: Promise<void>;
}

/** Throws `config`, also when another server has the folder. One that cannot be used refuses sessions, not the start. */
export async function openRecordings(need: OpenRecordingsNeeds): Promise<Recordings> {
  const { data, folder, disk = realDisk, log, audit, key } = need;
  await using opening = new AsyncDisposableStack();
  try {
    // Its parent has to be there: what is missing may be a disk that is not mounted.
    mkdirSync(folder, { mode: 0o700 });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST")
      log.error({ err: error, folder }, "the folder of the recordings cannot be made");
  }
  try {
    // Servers with data folders of their own would seal and pack each other's running files here.
    opening.use(lockFolder(folder, "recording.folder"));
  } catch (error) {
    // With a cause it is the folder that cannot be used: sessions will be told.
    if ((error as Error).cause === undefined) throw error;
    log.error({ err: error, folder }, "the folder of the recordings cannot be used");
  }
  const catalogue = opening.use(openCatalogue(join(data, "recordings.db")));
  const reserve = openDiskReserve(folder, disk);
  reserve.fill();
  const recorders = opening.use(new SessionRecorders({ ...need, disk, reserve, catalogue }));
  const stopped = new AbortController();
  const lines = new LineBuffer(64 * 1024);
  const isLive = (id: RecordingId) => recorders.isLive(id);
  const done = reconcile({ folder, disk, log, audit, catalogue, key, lines, isLive }, stopped.signal).catch((error) =>
    log.error({ err: error, folder }, "the recordings cannot be looked through"),
  );
  opening.defer(async () => {
    stopped.abort();
    await done;
  });
  const held = opening.move();
  return { folder, recorders, catalogue, reconciled: done, [Symbol.asyncDispose]: () => held.disposeAsync() };
}
