/** The one writer of the audit log: binds, signs, syncs, and says loudly when it cannot. The file is the evidence. */
import { randomBytes } from "node:crypto";
import { type Actor, type Audit, type AuditEvent, auditOutcome } from "../audit.ts";
import { BartizanFault } from "../errors.ts";
import type { Clock } from "../flow/clock.ts";
import type { Log } from "../log.ts";
import { ChainFile } from "./chain-file.ts";
import {
  checkpointLines,
  checkpointMs,
  checkpointPath,
  checkpointText,
  keepCheckpoint,
  type Signer,
} from "./checkpoint.ts";
import { howItEnded, type LogEnd } from "./log-end.ts";

export interface AuditLog extends Audit, AsyncDisposable {
  readonly path: string;
  /** So much of the file are whole lines of the log. */
  readonly lengthBytes: number;
  /** Resolves when all that was noted is on the disk; rejects when the disk does not take it. */
  synced(): Promise<void>;
  /** Calls after each line, in its turn, until disposed: what it does has to be short. */
  onGrown(listener: () => void): Disposable;
}

export interface OpenAuditNeeds {
  readonly path: string;
  readonly clock: Clock;
  readonly log: Log;
  readonly node: string;
  readonly signer: Signer;
}

/** The wall clock was set when it moves so much against the other one. */
const jumpMs = 2000;
/** A disk that refused something is asked again. */
const retryMs = 1000;

/**
 * Opens or begins the log, and says in the first new line how the one before it ended. Throws `config` when the file cannot be
 * used. One opener at a time: the caller holds the folder's lock. Disposing signs the end, unless the disk is sick.
 */
export function openAudit(needs: OpenAuditNeeds): AuditLog {
  try {
    const file = new ChainFile(needs.path);
    return new AuditWriter(needs, file);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const why = code ?? message;
    throw new BartizanFault("config", `Cannot use ${needs.path} (${why}).`, "Look after the data folder.", error);
  }
}

class AuditWriter implements AuditLog {
  readonly #needs: OpenAuditNeeds;
  readonly #file: ChainFile;
  readonly #listeners = new Set<() => void>();
  /** The first line, until it stands. */
  #opening: { readonly previous: LogEnd; readonly tornBytes: number } | undefined;
  #aheadMs: number;
  /** Why the disk takes no lines, or does not promise to keep them. */
  #unwritten: unknown;
  #unsynced: unknown;
  #lost: { count: number; readonly firstAtMs: number } | undefined;
  /** Lines that no checkpoint covers. */
  #unsigned = 0;
  /** Nothing else is written before the checkpoint that is due. */
  #owesCheckpoint = true;
  #dirty = false;
  #syncing: Promise<void> | undefined;
  #checkpoint: Buffer | undefined;
  #timer: { readonly atMs: number; readonly handle: Disposable } | undefined;
  #closed = false;

  constructor(needs: OpenAuditNeeds, file: ChainFile) {
    this.#needs = needs;
    this.#file = file;
    this.#aheadMs = needs.clock.wallMs() - needs.clock.monotonicMs();
    this.#opening = { previous: howItEnded(file, needs), tornBytes: file.tornBytes };
    this.#due();
  }

  get path(): string {
    return this.#needs.path;
  }

  get lengthBytes(): number {
    return this.#file.lengthBytes;
  }

  write(event: AuditEvent): void {
    try {
      this.#tellWhatIsDue();
      if (this.#owesCheckpoint) this.#sign(false);
      this.#append(event.event, fieldsOf(event));
      this.#unsigned += 1;
      if (this.#unsigned >= checkpointLines) this.#sign(false);
      else this.#later(checkpointMs);
    } catch (error) {
      this.#failed(error);
      const hint = "Look after the data folder: its disk may be full.";
      throw new BartizanFault("recorder-lost", "The audit log cannot be written.", hint, error);
    }
    this.#grown();
  }

  note(event: AuditEvent): void {
    try {
      this.write(event);
    } catch (error) {
      this.#lost ??= { count: 0, firstAtMs: this.#needs.clock.wallMs() };
      this.#lost.count += 1;
      this.#needs.log.error({ err: error, audit: event }, "an event could not be noted in the audit log");
    }
  }

  assertWritable(): void {
    const error = this.#unwritten ?? this.#unsynced;
    if (error === undefined) return;
    throw new BartizanFault(
      "recorder-lost",
      "The audit log cannot be written: no session may begin.",
      "Look after the data folder: its disk may be full.",
      error,
    );
  }

  async synced(): Promise<void> {
    if (this.#dirty) this.#sync().catch(() => {});
    await this.#syncing;
  }

  onGrown(listener: () => void): Disposable {
    this.#listeners.add(listener);
    return { [Symbol.dispose]: () => void this.#listeners.delete(listener) };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    this.#timer?.handle[Symbol.dispose]();
    try {
      this.#tellWhatIsDue();
      this.#sign(true);
      for (const listener of this.#listeners) listener();
      await this.synced();
    } catch (error) {
      this.#failed(error);
    }
    await this.#syncing?.catch(() => {});
    this.#file.close();
  }

  #append(event: string, rest: Readonly<Record<string, unknown>>): Buffer {
    const { clock, node } = this.#needs;
    const line = this.#file.append({
      ...{ id: randomBytes(9).toString("base64url"), atMs: clock.wallMs(), monoMs: Math.round(clock.monotonicMs()) },
      ...{ node, event, ...rest },
    });
    if (this.#unwritten !== undefined) this.#needs.log.info({ path: this.path }, "the audit log can be written again");
    this.#unwritten = undefined;
    this.#dirty = true;
    return line;
  }

  /** Its signature covers, by `prev`, all lines before it. */
  #sign(last: boolean): void {
    const { clock, node, signer } = this.#needs;
    const said = { node, ...this.#file.next, atMs: clock.wallMs(), ...(last ? { last } : {}) };
    const sig = signer.sign(checkpointText(said));
    const rest = { outcome: auditOutcome.checkpoint, atMs: said.atMs, key: signer.id, sig, ...(last ? { last } : {}) };
    this.#owesCheckpoint = true;
    this.#checkpoint = this.#append("checkpoint", rest);
    this.#owesCheckpoint = false;
    this.#unsigned = 0;
  }

  /** What has to stand before the next line. */
  #tellWhatIsDue(): void {
    if (this.#opening !== undefined) {
      this.#append("log-opened", { outcome: auditOutcome["log-opened"], ...this.#opening });
      this.#opening = undefined;
      this.#unsigned += 1;
    }
    if (this.#lost !== undefined) {
      const { count: lost, firstAtMs } = this.#lost;
      this.#append("events-lost", { outcome: auditOutcome["events-lost"], lost, firstAtMs });
      this.#lost = undefined;
      this.#unsigned += 1;
    }
    const { clock } = this.#needs;
    const byMs = Math.round(clock.wallMs() - clock.monotonicMs() - this.#aheadMs);
    if (Math.abs(byMs) > jumpMs) {
      this.#append("clock-jumped", { outcome: auditOutcome["clock-jumped"], byMs });
      this.#unsigned += 1;
    }
    this.#aheadMs += byMs;
  }

  #failed(error: unknown): void {
    if (this.#unwritten === undefined)
      this.#needs.log.error({ err: error, path: this.path }, "the audit log cannot be written: no session begins");
    this.#unwritten = error;
    this.#later(retryMs);
  }

  #later(ms: number): void {
    const atMs = this.#needs.clock.monotonicMs() + ms;
    if (this.#closed || (this.#timer !== undefined && this.#timer.atMs <= atMs)) return;
    this.#timer?.handle[Symbol.dispose]();
    this.#timer = { atMs, handle: this.#needs.clock.after(ms, () => this.#due()) };
  }

  #due(): void {
    this.#timer?.handle[Symbol.dispose]();
    this.#timer = undefined;
    try {
      this.#tellWhatIsDue();
      if (this.#unsigned > 0 || this.#owesCheckpoint || this.#unwritten !== undefined) this.#sign(false);
    } catch (error) {
      this.#failed(error);
      return;
    }
    this.#grown();
  }

  #grown(): void {
    this.#sync().catch(() => {});
    for (const listener of this.#listeners) listener();
  }

  #sync(): Promise<void> {
    this.#syncing ??= this.#syncAll().finally(() => {
      this.#syncing = undefined;
    });
    return this.#syncing;
  }

  async #syncAll(): Promise<void> {
    while (this.#dirty) {
      this.#dirty = false;
      const checkpoint = this.#checkpoint;
      try {
        await this.#file.sync();
        // After the lines that it tells of: or a lost power supply would look like a cut.
        if (checkpoint !== undefined) keepCheckpoint(checkpointPath(this.path), checkpoint);
        if (this.#checkpoint === checkpoint) this.#checkpoint = undefined;
        this.#unsynced = undefined;
      } catch (error) {
        this.#dirty = true;
        if (this.#unsynced === undefined)
          this.#needs.log.error(
            { err: error, path: this.path },
            "the audit log does not reach the disk: no session begins",
          );
        this.#unsynced = error;
        this.#later(retryMs);
        throw error;
      }
    }
  }
}

/** In the order in which a line is read. */
function fieldsOf(event: AuditEvent): Record<string, unknown> {
  const { event: word, actor, who, target, session, recording, cause, ...details } = event;
  return {
    outcome: auditOutcome[word],
    ...(actor === undefined ? { who } : whoOf(actor)),
    ...{ target, session, recording, cause, ...details },
  };
}

function whoOf({ name, address, signedIn, byToken }: Actor): Record<string, unknown> {
  return { who: name, address, signedIn, byToken };
}
