/** The sessions this node holds: opens them, finds them, remembers how the last ones ended, tells of changes. */
import { randomBytes } from "node:crypto";
import type { OpenTap } from "../commands/command.ts";
import { BartizanFault, faultFrom } from "../errors.ts";
import type { ClosedReason, CommandSeen, EndCause, Principal, SessionId, SessionInfo, TermSize } from "../events.ts";
import type { Clock } from "../flow/clock.ts";
import { orAborted } from "../flow/life.ts";
import type { Log } from "../log.ts";
import type { Recorders } from "../recording/recording.ts";
import type { Ask, Dial, Target } from "../target/target.ts";
import { HeldSession } from "./held-session.ts";
import { hold } from "./hold.ts";
import type { Screen } from "./screen.ts";

const endedKept = 200;
/** How often output alone makes a session's entry news. */
const activityMs = 1000;

export interface RegistryNeeds {
  readonly node: string;
  /** Session ids begin with it; by default the node's name. In a group it names this run of the node. */
  readonly idPrefix?: string;
  readonly clock: Clock;
  readonly log: Log;
  readonly dial: Dial;
  readonly screen: (size: TermSize) => Screen;
  /** Undefined: nothing is recorded (benches and tests alone). */
  readonly recorders: Recorders | undefined;
  /** Looks for the commands of each session; without it nobody does. */
  readonly openTap?: OpenTap;
  /** How many commands a session had, once that is known. */
  readonly onCommands?: (info: SessionInfo, commands: number) => void;
  /** A session is over, for everybody. */
  readonly onEnded?: (info: SessionInfo) => void;
  readonly graceMs: number;
  readonly maxSessions: number;
  /** How many sessions this user may have, and this target, at once. */
  readonly atOnce: (user: string, target: string) => { readonly ofUser: number; readonly onTarget: number };
}

export interface OpenRequest {
  readonly target: Target;
  readonly who: Principal;
  readonly size: TermSize;
  readonly ask: Ask;
}

export class Registry implements AsyncDisposable {
  readonly #needs: RegistryNeeds;
  readonly #live = new Map<SessionId, HeldSession>();
  readonly #ended = new Map<SessionId, SessionInfo>();
  readonly #tasks = new Set<Promise<unknown>>();
  readonly #listeners = new Set<(info: SessionInfo) => void>();
  readonly #dialling = new Map<
    symbol,
    { readonly who: string; readonly target: string; readonly stop: (reason: unknown) => void }
  >();
  #draining = false;

  constructor(needs: RegistryNeeds) {
    this.#needs = needs;
  }

  get size(): number {
    return this.#live.size;
  }

  get draining(): boolean {
    return this.#draining;
  }

  /**
   * Resolves when the shell is open; from then on it lives by itself. Aborting `signal` before that gives the dialling
   * up. Throws what `Dial` throws, `limit`, or `draining`.
   */
  async open(request: OpenRequest, signal: AbortSignal): Promise<HeldSession> {
    this.#refuseWhenFull(request);
    const session = this.#create(request);
    const opened = Promise.withResolvers<HeldSession>();
    const patience = new AbortController();
    const key = Symbol();
    const stop = (reason: unknown) => patience.abort(reason);
    const gone = () => stop(signal.reason);
    signal.addEventListener("abort", gone, { once: true });
    if (signal.aborted) gone();
    this.#dialling.set(key, { who: request.who.name, target: request.target.name, stop });
    const dialled = () => {
      signal.removeEventListener("abort", gone);
      this.#dialling.delete(key);
    };
    this.#track(this.#run(session, request, patience.signal, opened).finally(dialled));
    const held = await opened.promise;
    dialled();
    return held;
  }

  /** A live session, or undefined. */
  find(id: string): HeldSession | undefined {
    return this.#live.get(id as SessionId);
  }

  /** How a session of this node ended, of the last 200. */
  findEnded(id: string): SessionInfo | undefined {
    return this.#ended.get(id as SessionId);
  }

  /** Live sessions, newest first. */
  list(): SessionInfo[] {
    return Array.from(this.#live.values(), (session) => session.info).reverse();
  }

  /** Ended sessions, newest first. */
  listEnded(): SessionInfo[] {
    return [...this.#ended.values()].reverse();
  }

  /** Calls for each new, changed or ended session until disposed; output alone counts at most once a second. */
  onChange(listener: (info: SessionInfo) => void): Disposable {
    this.#listeners.add(listener);
    const seen = new Map(this.list().map(({ id, outputBytes }) => [id, outputBytes]));
    const tick = this.#needs.clock.every(activityMs, () => {
      for (const session of this.#live.values()) {
        const info = session.info;
        if (seen.get(info.id) !== info.outputBytes) listener(info);
        seen.set(info.id, info.outputBytes);
      }
      for (const id of seen.keys()) if (!this.#live.has(id)) seen.delete(id);
    });
    return {
      [Symbol.dispose]: () => {
        tick[Symbol.dispose]();
        this.#listeners.delete(listener);
      },
    };
  }

  /** The sessions themselves, for those who look after them. */
  live(): Iterable<HeldSession> {
    return this.#live.values();
  }

  /** Opens nothing more, tells everybody, waits until all sessions have ended or the signal aborts. */
  async drain(signal: AbortSignal): Promise<void> {
    this.#draining = true;
    const fault = new BartizanFault("draining", "This node is stopping.", "Try again in a moment, or on another node.");
    for (const { stop } of this.#dialling.values()) stop(fault);
    const text = "This node is stopping: end your work here soon.";
    for (const session of this.#live.values()) session.tell({ kind: "notice", about: "draining", text });
    while (this.#tasks.size > 0 && !signal.aborted) await orAborted(Promise.race(this.#tasks), signal).catch(() => {});
  }

  /** Ends every live session that fits, for a reason of the bastion's own; `detail` is a line for people. */
  closeAll(why: ClosedReason, detail?: string, fits: (info: SessionInfo) => boolean = () => true): void {
    for (const session of [...this.#live.values()]) if (fits(session.info)) session.close(why, detail);
  }

  /** Ends what still lives, and waits for it: at most 4 s a session, all at once. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#draining = true;
    for (const { stop } of this.#dialling.values()) stop(new BartizanFault("draining", "This node is stopping."));
    for (const session of this.#live.values()) session.close("draining");
    await Promise.allSettled(this.#tasks);
  }

  async #run(
    session: HeldSession,
    { target, size, ask, who }: OpenRequest,
    patience: AbortSignal,
    opened: PromiseWithResolvers<HeldSession>,
  ): Promise<void> {
    const { log, dial } = this.#needs;
    let open = false;
    let cause: EndCause = { kind: "closed", why: "fault" };
    try {
      cause = await hold(target, size, {
        ...{ dial, ask, patience },
        record: () => session.record(),
        stop: session.stop,
        opened: (pty) => {
          open = true;
          session.opened(pty);
          this.#live.set(session.info.id, session);
          log.info({ session: session.info.id, target: target.name, operator: who.name }, "session opened");
          opened.resolve(session);
        },
        publish: (bytes) => session.publish(bytes),
        ready: (signal) => session.ready(signal),
      });
    } catch (error) {
      if (!open) {
        await session.over(cause, () => {});
        opened.reject(error);
        await session[Symbol.asyncDispose]();
        return;
      }
      log.error({ err: faultFrom(error).cause ?? error, session: session.info.id }, "session failed");
    }
    await session.over(cause, () => this.#retire(session));
    await session[Symbol.asyncDispose]();
  }

  #create({ target, who, size }: OpenRequest): HeldSession {
    const { node, idPrefix = node, clock, graceMs, recorders } = this.#needs;
    const id = `${idPrefix}-${randomBytes(9).toString("base64url").replace(/[-_]/g, "0")}` as SessionId;
    const seen = (command: CommandSeen) => session.seen(command);
    const openedAtMs = clock.wallMs();
    const recordingId = () => session.info.recordingId;
    const origin = { sessionId: id, operator: who.name, target: target.name, openedAtMs, recordingId };
    const tap = this.#needs.openTap?.(origin, size, seen);
    const session: HeldSession = new HeldSession({
      tap,
      ...{ clock, id, node, graceMs, size },
      epoch: randomBytes(6).toString("base64url"),
      screen: this.#needs.screen(size),
      target: target.name,
      targetUser: target.user,
      labels: target.labels,
      operator: who,
      record: (info, recorded) => recorders?.create(info, target.labels, recorded),
      onChange: () => {
        // Its end is told once, by `#retire`, when the channel is closed.
        if (this.#live.get(id) === session && session.info.state !== "ended") this.#changed(session.info);
      },
    });
    return session;
  }

  #retire(session: HeldSession): void {
    const info = session.info;
    this.#track(session.commands.then((count) => this.#needs.onCommands?.(info, count)));
    this.#live.delete(info.id);
    this.#ended.set(info.id, info);
    for (const id of this.#ended.keys()) {
      if (this.#ended.size <= endedKept) break;
      this.#ended.delete(id);
    }
    this.#needs.log.info(
      { session: info.id, cause: info.ended?.cause, outputBytes: info.outputBytes },
      "session ended",
    );
    this.#needs.onEnded?.(info);
    this.#changed(info);
  }

  #changed(info: SessionInfo): void {
    for (const listener of this.#listeners) listener(info);
  }

  #track(task: Promise<unknown>): void {
    const tracked = task.finally(() => this.#tasks.delete(tracked));
    this.#tasks.add(tracked);
  }

  #refuseWhenFull({ who, target }: OpenRequest): void {
    const { maxSessions, atOnce } = this.#needs;
    if (this.#draining)
      throw new BartizanFault("draining", "This node is stopping.", "Try again in a moment, or on another node.");
    const all = [
      ...Array.from(this.#live.values(), ({ info }) => ({ who: info.operator.name, target: info.target })),
      ...this.#dialling.values(),
    ];
    const { ofUser, onTarget } = atOnce(who.name, target.name);
    const own = all.filter((each) => each.who === who.name).length;
    const there = all.filter((each) => each.target === target.name).length;
    if (own >= ofUser)
      throw new BartizanFault("limit", "Too many sessions of yours are open.", "End one of them first.");
    if (all.length >= maxSessions)
      throw new BartizanFault("limit", "Too many sessions are open on this server.", "Try again when one has ended.");
    if (there >= onTarget)
      throw new BartizanFault(
        "limit",
        `Too many sessions are open on ${target.name}.`,
        "Try again when one has ended.",
      );
  }
}
