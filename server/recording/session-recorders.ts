/** Begins recordings: the file, its first lines, its row in the list. One for each server. */
import { randomBytes } from "node:crypto";
import type { Audit } from "../audit.ts";
import type { RecordingId, SessionInfo } from "../events.ts";
import type { Clock } from "../flow/clock.ts";
import type { Log } from "../log.ts";
import { AppendFile } from "./append-file.ts";
import { CastWriter, emptyCast } from "./cast-writer.ts";
import type { Catalogue, RecordingChange } from "./catalogue.ts";
import type { Disk } from "./disk.ts";
import type { DiskReserve } from "./disk-reserve.ts";
import { watchDisk } from "./disk-watch.ts";
import { LineBuffer } from "./line-buffer.ts";
import { SessionRecorder } from "./recorder.ts";
import { reasonOf, recorderLost } from "./recorder-lost.ts";
import type { RecordedSession, Recorder, Recorders, RecordingMode, RecordingStart } from "./recording.ts";
import { castPath, newRecordingId } from "./recording-id.ts";
import type { SealKey } from "./seal-key.ts";
import { openSidecar } from "./sidecar.ts";

export interface SessionRecordersNeeds {
  readonly folder: string;
  readonly disk: Disk;
  readonly reserve: DiskReserve;
  readonly clock: Clock;
  readonly log: Log;
  readonly audit: Pick<Audit, "note">;
  readonly catalogue: Catalogue;
  readonly key: SealKey;
  /** Targets with one of these labels are recorded best effort; all others strictly. */
  readonly bestEffort: Readonly<Record<string, string>>;
  /** No session begins with less free. */
  readonly reserveBytes: number;
  /** This recording's file is closed; nothing more comes. */
  readonly onClosed: (id: RecordingId) => void;
}

/** Sessions end when a quarter of the reserve is left. */
const endShare = 4;

export class SessionRecorders implements Recorders, AsyncDisposable {
  readonly #needs: SessionRecordersNeeds;
  readonly #lines = new LineBuffer();
  readonly #instance = randomBytes(6).toString("hex");
  readonly #live = new Map<RecordingId, SessionRecorder>();
  /** Their files are being made. */
  readonly #beginning = new Set<RecordingId>();
  readonly #closing = new Set<Promise<void>>();
  readonly #watch: Disposable;

  constructor(needs: SessionRecordersNeeds) {
    this.#needs = needs;
    const { clock, log, audit, reserve, reserveBytes } = needs;
    const watched = () => [...this.#live.values()];
    this.#watch = watchDisk({ clock, log, audit, reserve, endBelowBytes: reserveBytes / endShare, watched });
  }

  /** Its session begins or runs, or its recorder is not done with it yet: its file is nobody else's. */
  isLive(id: RecordingId): boolean {
    return this.#live.has(id) || this.#beginning.has(id);
  }

  async create(
    info: SessionInfo,
    labels: Readonly<Record<string, string>>,
    session: RecordedSession,
  ): Promise<Recorder> {
    const start: RecordingStart = {
      ...{ id: newRecordingId(), sessionId: info.id, epoch: info.epoch, node: info.node, operator: info.operator },
      ...{ target: info.target, targetUser: info.targetUser, labels, startedAtMs: info.openedAtMs, size: info.size },
      mode: this.#modeOf(labels),
    };
    const writer = new CastWriter(this.#lines, this.#needs.key, start);
    const open = () => this.#begin(start, writer);
    let file: AppendFile | undefined;
    let failure: unknown;
    this.#beginning.add(start.id);
    try {
      file = await open();
    } catch (error) {
      if (start.mode === "strict") throw this.#refused(error);
      failure = error;
    } finally {
      this.#beginning.delete(start.id);
    }
    return this.#recorder(start, session, writer, open, file, failure);
  }

  /** How many commands were typed in a session that has ended. Told by the log alone where its list cannot be written. */
  countCommands(id: RecordingId, commands: number): void {
    this.#list(id, () => this.#needs.catalogue.change(id, { commands }));
  }

  /** Those whose sessions have ended are waited for; the registry has ended all. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#watch[Symbol.dispose]();
    await Promise.all(this.#closing);
  }

  #recorder(
    start: RecordingStart,
    session: RecordedSession,
    writer: CastWriter,
    open: () => Promise<AppendFile>,
    file: AppendFile | undefined,
    failure: unknown,
  ): Recorder {
    const { clock, log, audit, reserve, folder, disk, catalogue } = this.#needs;
    const { id } = start;
    const change = (change: RecordingChange) => this.#list(id, () => catalogue.change(id, change));
    const recorder = new SessionRecorder(
      {
        ...{ start, session, writer, open, clock, log, audit, change },
        sidecar: openSidecar(`${castPath(folder, id)}.idx`),
        makeRoom: () => reserve.release(),
        remove: async () => {
          this.#list(id, () => catalogue.remove(id));
          await disk.remove(castPath(folder, id));
        },
        onClosed: (closing) => {
          const closed = closing.finally(() => {
            this.#live.delete(id);
            this.#closing.delete(closed);
            this.#needs.onClosed(id);
          });
          this.#closing.add(closed);
        },
      },
      file,
      failure,
    );
    this.#live.set(id, recorder);
    return recorder;
  }

  /** The file with its first two lines, on the disk, and its row. Leaves nothing behind when it rejects. */
  async #begin(start: RecordingStart, writer: CastWriter): Promise<AppendFile> {
    const { folder, disk, clock, catalogue, reserve, reserveBytes, audit } = this.#needs;
    const freeBytes = await reserve.freeBytes();
    if (freeBytes < reserveBytes) {
      audit.note({ event: "reserve-hit", freeBytes });
      throw recorderLost("the disk of the recordings is nearly full");
    }
    const path = castPath(folder, start.id);
    const fd = await disk.create(path);
    try {
      const file = new AppendFile({ disk, clock, fd, lengthBytes: 0 });
      writer.restore(emptyCast, Buffer.alloc(0));
      writer.start(start, this.#instance);
      await file.append(writer.take());
      await Promise.all([file.sync(), disk.syncFolder(folder)]);
      catalogue.add({
        ...{ ...start, state: "live", durationMs: 0, outputBytes: 0, fileBytes: writer.state.position },
        ...{ compressed: false, commands: 0 },
      });
      return file;
    } catch (error) {
      await disk.close(fd).catch(() => {});
      await disk.remove(path).catch(() => {});
      throw error;
    }
  }

  #refused(error: unknown): Error {
    this.#needs.log.error({ err: error }, "no recording could be begun, a session was refused");
    return recorderLost(reasonOf(error), error);
  }

  /** The list can be made anew from the files: what it cannot take must not end a session. */
  #list(id: RecordingId, call: () => void): void {
    try {
      call();
    } catch (error) {
      this.#needs.log.error({ err: error, recording: id }, "the list of recordings cannot be written");
    }
  }

  #modeOf(labels: Readonly<Record<string, string>>): RecordingMode {
    const { bestEffort } = this.#needs;
    return Object.entries(bestEffort).some(([key, value]) => labels[key] === value) ? "best-effort" : "strict";
  }
}
