/** Records one session: appends what is to be shown, seals it each second and at the end, and copes with a sick disk. */
import type { Audit, AuditEvent } from "../audit.ts";
import { type BartizanFault, faultFrom } from "../errors.ts";
import type { EndCause, KeyFrame } from "../events.ts";
import type { Clock } from "../flow/clock.ts";
import type { Log } from "../log.ts";
import type { AppendFile } from "./append-file.ts";
import type { CastState, CastWriter } from "./cast-writer.ts";
import type { RecordingChange } from "./catalogue.ts";
import { FramePace } from "./frame-pace.ts";
import { type Appended, Gap } from "./gap.ts";
import { reasonOf, recorderLost } from "./recorder-lost.ts";
import type { RecordedSession, Recorder, RecordingStart } from "./recording.ts";
import type { Sidecar } from "./sidecar.ts";

/** Output is sealed and synced so long after it came; a seal waits longer for the rest of an unfinished character. */
const sealMs = 700;
const characterMs = 150;
/** More never waits for a slow disk. */
const maxWaitingBytes = 1024 * 1024;
/** A disk that does not answer for so long at the end has lost the seal. */
const sealWithinMs = 10_000;
/** The catalogue follows a running recording so closely. */
const progressMs = 10_000;

export interface SessionRecorderNeeds {
  readonly start: RecordingStart;
  readonly session: RecordedSession;
  readonly writer: CastWriter;
  /** Makes the file, with its first lines in it: once, before the recorder; again after a failed best-effort start. */
  readonly open: () => Promise<AppendFile>;
  readonly sidecar: Sidecar;
  readonly clock: Clock;
  readonly log: Log;
  readonly audit: Pick<Audit, "note">;
  /** The row of this recording. */
  readonly change: (change: RecordingChange) => void;
  /** Gives the reserve's room to a seal that finds the disk full. */
  readonly makeRoom: () => Promise<void>;
  /** Removes all traces of a recording that never began. */
  readonly remove: () => Promise<void>;
  /** This recorder is over; `closing` settles when its file is closed. Never rejects. */
  readonly onClosed: (closing: Promise<void>) => void;
}

/** `file`: undefined when a best-effort recording could not begin, for `failure`. */
export class SessionRecorder implements Recorder {
  readonly #needs: SessionRecorderNeeds;
  readonly #frames = new FramePace();
  #file: AppendFile | undefined;
  #opened = false;
  /** Strict: what every further append throws. */
  #failed: BartizanFault | undefined;
  /** Where a failed write left the file: nothing behind this counts. */
  #broken: CastState | undefined;
  #gap: Gap | undefined;
  /** There was a gap or a failure: the recording is less than what was shown. */
  #damaged = false;
  #shownBytes = 0;
  #lastMs = 0;
  #flushing: Disposable | undefined;
  #rejoining: Promise<void> | undefined;
  #syncing = false;
  #progressAtMs = 0;
  #over = false;

  constructor(needs: SessionRecorderNeeds, file: AppendFile | undefined, failure?: unknown) {
    this.#needs = needs;
    this.#file = file;
    if (file === undefined) this.#loseBestEffort(reasonOf(failure));
  }

  get id() {
    return this.#needs.start.id;
  }

  get mode() {
    return this.#needs.start.mode;
  }

  get recording(): boolean {
    return this.#failed === undefined && this.#gap === undefined;
  }

  get fileBytes(): number {
    return this.#needs.writer.state.position;
  }

  get session(): RecordedSession {
    return this.#needs.session;
  }

  get warning(): string | undefined {
    if (this.#gap !== undefined) return `This session is NOT recorded at the moment: ${this.#gap.reason}.`;
    return this.mode === "strict" ? undefined : "This session goes on even when it cannot be recorded.";
  }

  opened(): void {
    this.#opened = true;
    const { target, mode } = this.#needs.start;
    this.#note({ event: "recording-opened", target, mode });
    // What the first write needs to survive is on its way to the disk, too.
    this.#flushSoon(sealMs);
  }

  append(event: Appended): Promise<void> | undefined {
    this.#lastMs = Math.max(this.#lastMs, event.atMs);
    if (event.kind === "output") this.#shownBytes += event.bytes.length;
    if (this.#failed !== undefined) throw this.#failed;
    if (this.#over) return undefined;
    if (this.#gap !== undefined) {
      this.#gap.keep(event);
      return undefined;
    }
    const before = this.#needs.writer.state;
    this.#compose(event);
    return this.#put(before);
  }

  wantsKeyFrame(atMs: number): ((frame: KeyFrame) => void) | undefined {
    const { writer, sidecar } = this.#needs;
    const { carry, outputBytes: offset, position, hash } = writer.state;
    if (!this.recording || carry.length > 0) return undefined;
    if (!this.#frames.due(atMs, offset)) return undefined;
    const at = { atMs, offset, position, hash };
    return (frame) => {
      if (frame.offset === offset) sidecar.add({ ...at, size: frame.size, bytes: frame.bytes });
    };
  }

  async seal(cause: EndCause, atMs: number): Promise<void> {
    this.#over = true;
    this.#lastMs = Math.max(this.#lastMs, atMs);
    this.#flushing?.[Symbol.dispose]();
    this.#gap?.cancel();
    const { clock, onClosed, remove } = this.#needs;
    const late = Promise.withResolvers<never>();
    late.promise.catch(() => {});
    using _limit = clock.after(sealWithinMs, () => late.reject(new Error("the disk does not answer")));
    const sealing = this.#opened ? this.#sealed(cause) : Promise.resolve();
    // Waited for by the server's end alone: a write that hangs must not hold the session up.
    onClosed(this.#close(sealing, this.#opened ? undefined : remove));
    try {
      await Promise.race([sealing, late.promise]);
    } catch (error) {
      this.#sealLost(error);
    }
  }

  async #close(sealing: Promise<void>, remove: (() => Promise<void>) | undefined): Promise<void> {
    await sealing.catch(() => {});
    try {
      await this.#needs.sidecar[Symbol.asyncDispose]();
      await this.#file?.close();
      await remove?.();
    } catch (error) {
      this.#needs.log.error({ err: error, recording: this.id }, "a recording could not be closed");
    }
  }

  async #sealed(cause: EndCause): Promise<void> {
    const { makeRoom, change, writer } = this.#needs;
    await this.#rejoining;
    const file = this.#file ?? (await this.#begin());
    await file.settled();
    let seal: string | undefined;
    for (let attempt = 0; seal === undefined; attempt += 1) {
      try {
        await this.#mend(file);
        seal = await this.#writeEnd(file, cause);
      } catch (error) {
        this.#broken ??= writer.state;
        if (attempt > 0 || (error as NodeJS.ErrnoException).code !== "ENOSPC") throw error;
        await makeRoom();
      }
    }
    const { outputBytes, position: fileBytes } = writer.state;
    const state = this.#damaged && this.mode === "best-effort" ? "damaged" : "sealed";
    change({ durationMs: this.#lastMs, outputBytes, fileBytes, cause, state, seal });
    this.#note({ event: "recording-sealed", seal, cause: cause.kind });
  }

  async #writeEnd(file: AppendFile, cause: EndCause): Promise<string> {
    const { writer } = this.#needs;
    const before = writer.state;
    try {
      if (this.#gap !== undefined) writer.gap(this.#shownBytes, this.#gap.reason, undefined, this.#lastMs);
      const seal = writer.end(cause, this.#lastMs);
      await file.appendLater(writer.take());
      await file.sync();
      return seal;
    } catch (error) {
      this.#broken = before;
      throw error;
    }
  }

  #sealLost(error: unknown): void {
    const detail = reasonOf(error);
    this.#needs.log.error({ err: error, recording: this.id }, "a recording could not be sealed");
    this.#note({ event: "recording-failed", detail });
    const { outputBytes, position } = this.#broken ?? this.#needs.writer.state;
    this.#needs.change({ durationMs: this.#lastMs, outputBytes, fileBytes: position, state: "damaged" });
    if (this.mode === "strict") throw recorderLost(detail, error);
  }

  #compose(event: Appended): void {
    const { writer } = this.#needs;
    const { atMs } = event;
    if (event.kind === "output") writer.output(event.bytes, atMs);
    else if (event.kind === "resize") {
      writer.resize(event.size, atMs);
      this.#frames.want();
    } else if (event.kind === "notice") {
      writer.comment("notice", { at: atMs, about: event.about, text: event.text });
    } else if (event.kind !== "ended") {
      const { id, who, role } = event.who;
      writer.comment(event.kind, { at: atMs, attachment: id, who: who.name, role });
    }
  }

  /** What was composed since `before` goes to the file. */
  #put(before: CastState): Promise<void> | undefined {
    const bytes = this.#needs.writer.take();
    try {
      const file = this.#file;
      if (file === undefined) throw new Error("the recording has no file");
      if (file.waitingBytes + bytes.length > maxWaitingBytes) throw new Error("the disk is too slow");
      const waiting = file.append(bytes);
      if (this.#flushing === undefined) this.#flushSoon(sealMs);
      return waiting?.catch((error) => this.#lose(before, error));
    } catch (error) {
      this.#lose(before, error);
      return undefined;
    }
  }

  /** Strict: throws. Best effort: the session goes on, loudly. */
  #lose(before: CastState, error: unknown): void {
    if (this.#broken === undefined || this.#broken.position > before.position) this.#broken = before;
    const detail = reasonOf(error);
    if (this.mode === "best-effort") {
      if (this.#gap === undefined) this.#loseBestEffort(detail, error);
      return;
    }
    if (this.#failed === undefined) {
      this.#damaged = true;
      this.#failed = recorderLost(detail, error);
      this.#needs.log.error({ err: error, recording: this.id }, "recording failed");
      this.#note({ event: "recording-failed", detail });
    }
    throw this.#failed;
  }

  #loseBestEffort(reason: string, error?: unknown): void {
    this.#damaged = true;
    this.#gap = new Gap(reason);
    this.#needs.log.error({ err: error, recording: this.id }, "recording failed, the session goes on without");
    this.#note({ event: "recording-degraded", detail: reason });
    this.#retryLater(this.#gap);
    if (this.#opened) this.#needs.session.tell(this.warning ?? "");
    this.#needs.session.changed();
  }

  #retryLater(gap: Gap): void {
    if (this.#over) return;
    gap.later(this.#needs.clock, () => {
      this.#rejoining = this.#rejoin(gap).finally(() => {
        this.#rejoining = undefined;
      });
    });
  }

  /** Asks for the screen of this very point, and goes on from there. */
  async #rejoin(gap: Gap): Promise<void> {
    const { session, writer } = this.#needs;
    // In one turn: what is kept begins exactly where the screen is.
    gap.begin();
    const [to, atMs] = [this.#shownBytes, this.#lastMs];
    const asked = session.keyFrame();
    asked.catch(() => {});
    try {
      const file = this.#file ?? (await this.#begin());
      const frame = await asked;
      if (this.#over) return;
      await this.#mend(file);
      if (this.#over) return;
      const { kept } = gap;
      if (kept === undefined || frame.offset !== to) throw new Error("too much came meanwhile");
      const before = writer.state;
      writer.gap(to, gap.reason, frame, atMs);
      for (const event of kept) this.#compose(event);
      await this.#goOn(file, before);
    } catch {
      this.#retryLater(gap);
      return;
    }
    if (!this.recording) return;
    this.#note({ event: "recording-recovered", detail: gap.reason });
    session.tell("This session is recorded again.");
    session.changed();
  }

  /** Throws when the disk is as sick as before. */
  #goOn(file: AppendFile, before: CastState): Promise<void> | undefined {
    const bytes = this.#needs.writer.take();
    let written: Promise<void> | undefined;
    try {
      written = file.append(bytes);
    } catch (error) {
      this.#broken = before;
      throw error;
    }
    this.#gap = undefined;
    this.#flushSoon(sealMs);
    return written?.catch((error) => this.#lose(before, error));
  }

  async #begin(): Promise<AppendFile> {
    this.#file = await this.#needs.open();
    return this.#file;
  }

  /** Takes back what a failed write left behind. */
  async #mend(file: AppendFile): Promise<void> {
    const state = this.#broken;
    if (state === undefined) return;
    await file.repair(state.position);
    this.#needs.writer.restore(state, await file.read(state.chunkStart, state.position));
    this.#broken = undefined;
  }

  #flushSoon(ms: number): void {
    this.#flushing = this.#needs.clock.after(ms, () => {
      this.#flushing = undefined;
      if (this.#over || !this.recording) return;
      // A disk that is slow to sync gets no second one on top.
      if (this.#syncing) this.#flushSoon(sealMs);
      else this.#flush();
    });
  }

  #flush(): void {
    const { writer } = this.#needs;
    const before = writer.state;
    if (before.carry.length > 0 && !writer.sealWanted) {
      writer.wantSeal();
      this.#flushSoon(characterMs);
      return;
    }
    writer.flushCarry(this.#lastMs);
    writer.seal(this.#lastMs);
    try {
      const written = this.#put(before);
      // This seal is no output: what it is written by must not ask for the next one.
      this.#flushing?.[Symbol.dispose]();
      this.#flushing = undefined;
      void this.#syncAfter(written);
    } catch (error) {
      this.#needs.session.end(faultFrom(error));
    }
  }

  async #syncAfter(written: Promise<void> | undefined): Promise<void> {
    this.#syncing = true;
    try {
      await written;
      if (this.recording) await this.#file?.sync();
      this.#progress();
    } catch (error) {
      if (this.#over) return;
      try {
        // What is written stays, even if the disk does not promise to keep it.
        this.#lose(this.#needs.writer.state, error);
      } catch (fault) {
        this.#needs.session.end(faultFrom(fault));
      }
    } finally {
      this.#syncing = false;
    }
  }

  #progress(): void {
    if (this.#over || this.#lastMs - this.#progressAtMs < progressMs) return;
    this.#progressAtMs = this.#lastMs;
    const { outputBytes, position } = this.#needs.writer.state;
    this.#needs.change({ durationMs: this.#lastMs, outputBytes, fileBytes: position });
  }

  #note(event: DistributedOmit<AuditEvent, "recording" | "session" | "who">): void {
    const { id: recording, sessionId: session, operator, target } = this.#needs.start;
    this.#needs.audit.note({ target, ...event, recording, session, who: operator.name } as AuditEvent);
  }
}

type DistributedOmit<T, K extends PropertyKey> = T extends unknown ? Omit<T, K> : never;
