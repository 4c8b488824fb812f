/** A session whose pty this node holds: screen, ring, desk and the one way each of them is changed. */
import type { CommandTap } from "../commands/command.ts";
import { BartizanFault, faultFrom } from "../errors.ts";
import type {
  Attached,
  AttachmentId,
  ClosedReason,
  CommandSeen,
  EndCause,
  Frozen,
  Notice,
  Principal,
  Role,
  SessionEvent,
  SessionId,
  SessionInfo,
  TermSize,
} from "../events.ts";
import type { Clock } from "../flow/clock.ts";
import type { RecordedSession, Recorder } from "../recording/recording.ts";
import type { PtyChannel } from "../target/target.ts";
import { Desk, type Seat } from "./desk.ts";
import type { Ear, Overhearing, SeatElsewhere } from "./ear.ts";
import { EndOrder } from "./hold.ts";
import { freezeText, InputGate, recalledText } from "./input-gate.ts";
import { InputLane } from "./input-lane.ts";
import type { Attachment, AttachOptions, Keyboard, KickResult, LiveSession } from "./live-session.ts";
import { type Recorded, RecordedOrder } from "./recorded-order.ts";
import { Ring } from "./ring.ts";
import type { Screen } from "./screen.ts";
import { createSeatKeyboard } from "./seat-keyboard.ts";
import { answerPing, viewOf } from "./seat-view.ts";
import { countTold, type Told } from "./told.ts";

/** Told at once, unlike all else: what waits for the disk is what it is about. */
const stalls = "The disk of the recordings is slow: output waits until it is recorded.";

export interface HeldSessionNeeds {
  readonly clock: Clock;
  readonly screen: Screen;
  readonly id: SessionId;
  readonly epoch: string;
  readonly node: string;
  readonly target: string;
  readonly targetUser: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly operator: Principal;
  readonly size: TermSize;
  /** How long the shell outlives its operator's connection. */
  readonly graceMs: number;
  /** Begins a recording of this session; undefined: it is not to be recorded. */
  readonly record: (info: SessionInfo, session: RecordedSession) => Promise<Recorder> | undefined;
  /** Looks for the commands that are typed. */
  readonly tap?: CommandTap | undefined;
  /** `info` has changed. */
  readonly onChange: () => void;
}

export class HeldSession implements LiveSession, AsyncDisposable {
  readonly #needs: HeldSessionNeeds;
  readonly #desk: Desk;
  readonly #ring = new Ring();
  readonly #input = new InputLane();
  readonly #order: RecordedOrder;
  readonly gate: InputGate;
  readonly #stop = new AbortController();
  readonly #openedAtMs: number;
  readonly #openedMonotonicMs: number;
  readonly #closed = Promise.withResolvers<void>();
  #pty: PtyChannel | undefined;
  #recorder: Recorder | undefined;
  #size: TermSize;
  /** After the newest output, and after what of it is recorded and shown. */
  #takenOffset = 0;
  #offset = 0;
  #activeAtMs: number;
  #ended: SessionInfo["ended"];
  #told: readonly Told[] = [];
  #screenWaits = false;
  /** The last lines of the recording are being written: nothing happens any more but the end. */
  #sealing = false;
  #grace: Disposable | undefined;
  #commands: Promise<number> = Promise.resolve(0);

  constructor(needs: HeldSessionNeeds) {
    this.#needs = needs;
    this.#size = needs.size;
    this.#openedAtMs = needs.clock.wallMs();
    this.#activeAtMs = this.#openedAtMs;
    this.#openedMonotonicMs = needs.clock.monotonicMs();
    this.gate = new InputGate({
      ...needs,
      tell: (word) => {
        // Recorded as words, told as what it is.
        this.#recorder?.append({ kind: "notice", about: "info", text: freezeText(word), atMs: this.#atMs() });
        this.#desk.tell(word);
      },
    });
    this.#order = new RecordedOrder({
      clock: needs.clock,
      recorder: () => this.#recorder,
      show: (event) => this.#show(event),
      lost: (error) => this.#endUnrecorded(error),
      stalled: () => this.#desk.tell({ kind: "notice", about: "recording", text: stalls }),
    });
    this.#desk = new Desk({
      clock: needs.clock,
      atMs: () => this.#atMs(),
      keyFrame: () => needs.screen.keyFrame(),
      size: () => this.#size,
      heldUp: () => this.#screenWaits,
      onChange: () => this.#deskChanged(),
      announce: (kind, who) => this.#announce(kind, who),
    });
  }

  get info(): SessionInfo {
    const { id, epoch, target, targetUser, labels, operator, node } = this.#needs;
    const state = this.#ended !== undefined ? "ended" : this.#desk.operator === undefined ? "detached" : "attached";
    return {
      ...{ id, epoch, target, targetUser, labels, operator, node, state },
      openedAtMs: this.#openedAtMs,
      activeAtMs: this.#activeAtMs,
      size: this.#size,
      attachments: this.#desk.attached,
      outputBytes: this.#offset,
      recorded: this.#recorder?.recording ?? false,
      ...(this.gate.frozen === undefined ? {} : { frozen: this.gate.frozen }),
      ...(this.#recorder === undefined ? {} : { recordingId: this.#recorder.id }),
      ...(this.#ended === undefined ? {} : { ended: this.#ended }),
    };
  }

  /** Ends the session; `hold` takes it from there. */
  get stop(): AbortSignal {
    return this.#stop.signal;
  }

  /** Resolves when the channel to the target is closed and the session is over. */
  get closed(): Promise<void> {
    return this.#closed.promise;
  }

  /** From `hold`, first of all: no recorder, no shell. Rejects with `recorder-lost`. */
  async record(): Promise<void> {
    this.#recorder = await this.#needs.record(this.info, {
      keyFrame: () => this.#needs.screen.keyFrame(),
      tell: (text) => this.tell({ kind: "notice", about: "recording", text }),
      end: (fault) => {
        if (!this.#sealing) this.#endUnrecorded(fault);
      },
      changed: () => this.#needs.onChange(),
    });
  }

  /** After `over`: how many commands were typed, once all are known. Never rejects. */
  get commands(): Promise<number> {
    return this.#commands;
  }

  /** From `hold`: the pty is there. */
  opened(pty: PtyChannel): void {
    this.#pty = pty;
    this.#recorder?.opened();
    this.#giveKeyFrame(0);
    this.#deskChanged();
  }

  /** From `hold`: output, shown to everybody as soon as it is recorded. undefined: at once. Never rejects. */
  publish(bytes: Uint8Array): Promise<void> | undefined {
    const event: SessionEvent = { kind: "output", offset: this.#takenOffset, atMs: this.#atMs(), bytes };
    this.#takenOffset += bytes.length;
    this.#activeAtMs = this.#needs.clock.wallMs();
    return this.#record(event);
  }

  /** From `hold`: undefined, or what the target has to wait for. Never rejects. */
  ready(signal: AbortSignal): Promise<void> | undefined {
    const operator = this.#desk.operatorReady();
    const screen = this.#needs.screen.ready(signal)?.then(
      () => {
        this.#screenWaits = false;
      },
      () => {},
    );
    this.#screenWaits = screen !== undefined;
    return operator === undefined || screen === undefined ? (operator ?? screen) : operator.then(() => screen);
  }

  /**
   * From the registry, once: `hold` is over. The recording is sealed before the end is told; when it was told already
   * (a kick), nobody waits for the seal. `retire`: the session is over for everybody.
   */
  async over(cause: EndCause, retire: () => void): Promise<void> {
    this.#commands = this.#needs.tap?.end() ?? Promise.resolve(0);
    this.#grace?.[Symbol.dispose]();
    this.#grace = undefined;
    this.#sealing = true;
    const told = this.#ended;
    if (told !== undefined) this.#retire(retire);
    try {
      await this.#recorder?.seal(told?.cause ?? cause, told?.atMs ?? this.#atMs());
    } catch (error) {
      this.#endUnrecorded(error);
    }
    if (told !== undefined) return;
    this.#end(cause, false);
    this.#retire(retire);
  }

  #retire(retire: () => void): void {
    this.#closed.resolve();
    retire();
  }

  /** After `over`: gives the screen back, once those who still wait for it, and for the last word, have had both. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.everybodyTold();
    this.#needs.screen[Symbol.dispose]();
  }

  /** Resolves when everybody who was there at the end was told, or left, or took more than a second. */
  async everybodyTold(): Promise<void> {
    await countTold(this.#needs.clock, this.#told);
  }

  /** Ends the session for a reason of the bastion's own. */
  close(why: ClosedReason, detail?: string): void {
    const cause: EndCause = { kind: "closed", why, ...(detail === undefined ? {} : { detail }) };
    if (!this.#sealing) this.#end(cause, why === "operator");
  }

  /** A command was typed, or more is known of one: told to those who watch. */
  seen(command: CommandSeen): void {
    this.#desk.tellWatchers({ kind: "command", command });
  }

  /** A word to everybody attached. */
  tell(notice: Notice): void {
    void this.#record({ ...notice, atMs: this.#atMs() });
  }

  async attach(who: Principal, role: Role, options: AttachOptions, signal: AbortSignal): Promise<Attachment> {
    signal.throwIfAborted();
    if (this.#ended !== undefined || this.#sealing) throw new BartizanFault("not-found", "There is no such session.");
    const { from, size } = options;
    if (role === "operator" && size !== undefined) this.#resize(size);
    const missed = from?.epoch === this.#needs.epoch ? this.#ring.since(from.offset) : undefined;
    const resumed = missed !== undefined && from !== undefined;
    const seat = this.#desk.sit(who, role, options.acks ?? false, resumed ? from.offset : this.#offset, options.hidden);
    if (resumed) for (const event of missed) seat.viewer.push(event);
    else seat.viewer.begin();
    const warning = this.#recorder?.warning;
    if (warning !== undefined) seat.viewer.push({ kind: "notice", about: "recording", text: warning });
    const leave = () => this.#desk.leave(seat, signal.reason);
    signal.addEventListener("abort", leave, { once: true });
    return {
      self: seat.attached,
      info: this.info,
      start: { epoch: this.#needs.epoch, offset: resumed ? from.offset : this.#offset },
      resumed,
      view: viewOf(seat, (isKeyFrame) => this.#desk.taken(seat, isKeyFrame), signal, leave),
      keyboard: role === "operator" ? this.#keyboardOf(seat) : undefined,
      acknowledge: (offset) => this.#desk.acknowledge(seat, offset),
      ping: (id) => answerPing(seat, id, this.#needs.clock.monotonicMs(), this.#pty),
    };
  }

  /** Tells `ear` everything from now on, without a seat: the session is not slowed by it, and does not show it. */
  overhear(ear: Ear): Overhearing {
    const hearing = this.#desk.hear(ear);
    const offset = () => this.#offset;
    return {
      get offset() {
        return offset();
      },
      keyFrame: () => this.#needs.screen.keyFrame(),
      since: (from) => this.#ring.since(from),
      [Symbol.dispose]: () => hearing[Symbol.dispose](),
    };
  }

  /** Somebody watches through another node: announced, recorded and listed as those here. Disposing: he left. */
  sitElsewhere(seat: SeatElsewhere): Disposable {
    return this.#desk.sitElsewhere(seat);
  }

  async kick(whom: AttachmentId | "everyone", by: Principal, reason: string): Promise<KickResult> {
    const cause: EndCause = { kind: "kicked", by, reason };
    if (whom !== "everyone") return this.#kickOne(whom, cause);
    const first = this.#ended === undefined && !this.#sealing;
    if (first) this.#end(cause, true);
    const told = first ? await countTold(this.#needs.clock, this.#told) : 0;
    await this.#closed.promise;
    return { outcome: first ? "ended" : "already-ended", watchersTold: told, ...this.#endedPart() };
  }

  async freeze(by: Principal, reason: string): Promise<Frozen> {
    if (this.#ended !== undefined) throw new BartizanFault("not-found", "There is no such session.");
    const frozen = this.gate.freeze(by, reason);
    const bytes = this.#pty === undefined ? 0 : this.#input.recall(this.#pty);
    if (bytes > 0) this.tell({ kind: "notice", about: "info", text: recalledText(bytes) });
    return frozen;
  }

  async unfreeze(by: Principal): Promise<void> {
    this.gate.giveBack(by);
  }

  async #kickOne(id: AttachmentId, cause: EndCause): Promise<KickResult> {
    if (this.#ended !== undefined) return { outcome: "already-ended", watchersTold: 0, ...this.#endedPart() };
    const told = this.#desk.dismiss(id, cause);
    if (told === undefined) throw new BartizanFault("not-found", "There is no such attachment.");
    return { outcome: "ended", watchersTold: await countTold(this.#needs.clock, [told]) };
  }

  #endedPart(): Pick<KickResult, "ended"> {
    return this.#ended === undefined ? {} : { ended: this.#ended };
  }

  #keyboardOf(seat: Seat): Keyboard {
    return createSeatKeyboard(seat, {
      pty: () => (this.#desk.hasKeyboard(seat) ? this.#pty : undefined),
      interrupt: () => this.#desk.interrupt(seat),
      send: (pty, input) => {
        if (!this.gate.passes()) return this.#input.drop(seat, input);
        this.#needs.tap?.input(input, this.#atMs());
        this.#activeAtMs = this.#needs.clock.wallMs();
        return this.#input.send(pty, seat, input);
      },
      resize: (size) => this.#resize(size),
      hangUp: () => this.close("operator"),
    });
  }

  #resize(size: TermSize): void {
    if (size.cols === this.#size.cols && size.rows === this.#size.rows) return;
    this.#size = size;
    this.#pty?.resize(size);
    void this.#record({ kind: "resize", offset: this.#takenOffset, atMs: this.#atMs(), size });
    this.#needs.onChange();
  }

  /** The one place through which everything goes, in order: recording, screen, ring, viewers. Never rejects. */
  #record(event: Recorded): Promise<void> | undefined {
    return this.#ended === undefined && !this.#sealing ? this.#order.take(event) : undefined;
  }

  #show(event: Recorded): void {
    if (this.#ended !== undefined) return;
    if (event.kind === "notice") {
      const { kind, about, text } = event;
      this.#desk.tell({ kind, about, text });
      return;
    }
    if (event.kind === "output") this.#offset = event.offset + event.bytes.length;
    this.#needs.screen.write(event);
    this.#ring.add(event);
    this.#needs.tap?.event(event);
    this.#desk.publish(event);
    this.#giveKeyFrame(event.atMs);
  }

  #giveKeyFrame(atMs: number): void {
    const give = this.#order.settled ? this.#recorder?.wantsKeyFrame(atMs) : undefined;
    if (give !== undefined) this.#needs.screen.keyFrame().then(give, () => {});
  }

  #announce(kind: "joined" | "left", who: Attached): void {
    void this.#record({ kind, offset: this.#takenOffset, atMs: this.#atMs(), who });
  }

  #endUnrecorded(error: unknown): void {
    this.#end({ kind: "closed", why: "unrecorded", detail: faultFrom(error).message }, false);
  }

  #deskChanged(): void {
    if (this.#ended === undefined && !this.#sealing) {
      const { clock, graceMs } = this.#needs;
      if (this.#desk.operator !== undefined) {
        this.#grace?.[Symbol.dispose]();
        this.#grace = undefined;
      } else this.#grace ??= clock.after(graceMs, () => this.close("grace-expired"));
    }
    this.#needs.onChange();
  }

  #end(cause: EndCause, ahead: boolean): void {
    if (this.#ended !== undefined) return;
    const event = { kind: "ended", offset: this.#offset, atMs: this.#atMs(), cause } as const;
    this.#ended = event;
    this.#told = this.#desk.end(event, ahead);
    this.#stop.abort(new EndOrder(cause));
    this.#needs.onChange();
  }

  #atMs(): number {
    return Math.round(this.#needs.clock.monotonicMs() - this.#openedMonotonicMs);
  }
}
