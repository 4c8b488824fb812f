/** Kick as a caller sees it: who may, what it answered, and the same answer again for the same idempotency id. */
import { createHash, randomUUID } from "node:crypto";
import type { KickRequest } from "../../proto/gen/bartizan/v1/session_pb.ts";
import { type Caller, may, mayEver, mayToAll } from "../access/policy.ts";
import { BartizanFault } from "../errors.ts";
import type { AttachmentId, SessionInfo } from "../events.ts";
import type { Clock } from "../flow/clock.ts";
import { printable } from "../flow/printable.ts";
import type { Log } from "../log.ts";
import type { KickResult } from "../session/live-session.ts";
import type { Sessions } from "../session/sessions.ts";
import { noSuchSession } from "./errors.ts";
import { reasonFromWire } from "./wire.ts";

/** Answers are kept at least this long ... */
const keptMs = 60 * 60 * 1000;
/** ... unless the same caller has more than this: then his oldest is forgotten. Nobody is refused for it. */
const keptAnswersEach = 1000;

export interface KickAnswer {
  readonly result: KickResult;
  readonly tookMs: number;
}

interface Kept {
  readonly caller: string;
  readonly what: string;
  readonly atMs: number;
  readonly answer: Promise<KickAnswer>;
}

export class Kicks {
  readonly #sessions: Sessions;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #kept = new Map<string, Kept>();

  constructor(sessions: Sessions, clock: Clock, log: Log) {
    this.#sessions = sessions;
    this.#clock = clock;
    this.#log = log;
  }

  /** Throws `invalid`, `not-found` (also for a foreign session), `forbidden`. */
  async kick(caller: Caller, request: KickRequest): Promise<KickAnswer> {
    const reason = reasonFromWire(request.reason);
    const { sessionId, attachmentId, idempotencyId } = request;
    if (idempotencyId.length > 100) throw new BartizanFault("invalid", "An idempotency id has at most 100 characters.");
    const key = JSON.stringify([caller.name, idempotencyId]);
    // The same on every node that the request may come through.
    const orderId = idempotencyId === "" ? randomUUID() : createHash("sha256").update(key).digest("base64url");
    const act = () => this.#act(caller, sessionId, attachmentId, printable(reason), orderId);
    if (idempotencyId === "") return act();
    const what = JSON.stringify([sessionId, attachmentId, reason]);
    const before = this.#kept.get(key);
    if (before !== undefined) {
      if (before.what === what) return before.answer;
      throw new BartizanFault("invalid", "This idempotency id was used for another kick.", "Take a fresh one.");
    }
    this.#forgetOld(caller.name);
    const answer = act();
    this.#kept.set(key, { caller: caller.name, what, atMs: this.#clock.monotonicMs(), answer });
    // Only what is known is worth repeating; after a refusal, or a silence, the same id may be tried again.
    const forget = () => this.#kept.delete(key);
    answer.then(({ result }) => result.outcome === "unreachable" && forget(), forget);
    return answer;
  }

  async #act(
    caller: Caller,
    sessionId: string,
    attachmentId: string,
    reason: string,
    orderId: string,
  ): Promise<KickAnswer> {
    const startedMs = this.#clock.monotonicMs();
    const took = (result: KickResult) => ({ result, tookMs: this.#clock.monotonicMs() - startedMs });
    const found = await this.#sessions.find(sessionId);
    if (found.kind === "none") throw noSuchSession();
    const whom = attachmentId === "" ? "everyone" : (attachmentId as AttachmentId);
    if (found.kind === "unknown") {
      // Whose it is, nobody can say: that is for those who may end anybody's.
      if (!mayToAll(caller, "kick")) throw found.fault;
    } else {
      const info = found.kind === "live" ? found.session.info : found.info;
      refuseUnless(caller, info, whom);
      if (found.kind === "ended") {
        // The very order that is given again may have ended it: its answer was lost, or came to another node.
        const outcome = found.orderId === orderId ? "ended" : "already-ended";
        return took({ outcome, watchersTold: 0, ...(info.ended ? { ended: info.ended } : {}) });
      }
    }
    const log = { session: sessionId, by: caller.name };
    this.#log.info({ ...log, reason, attachment: attachmentId }, "kick requested");
    const kicked = found.kind === "live" ? found.session : found;
    const result = await kicked.kick(whom, { name: caller.name }, reason, orderId);
    this.#log.info({ ...log, outcome: result.outcome }, "kick answered");
    return took(result);
  }

  #forgetOld(caller: string): void {
    const before = this.#clock.monotonicMs() - keptMs;
    for (const [key, { atMs }] of this.#kept) {
      if (atMs > before) break;
      this.#kept.delete(key);
    }
    const own = [...this.#kept].filter(([, kept]) => kept.caller === caller);
    if (own.length >= keptAnswersEach) this.#kept.delete(own[0]?.[0] ?? "");
  }
}

function refuseUnless(caller: Caller, info: SessionInfo, whom: AttachmentId | "everyone"): void {
  if (!may(caller, "see", info)) throw noSuchSession();
  if (!may(caller, "kick", info))
    throw new BartizanFault("forbidden", "You may see this session, but not end it.", "Ask an admin.");
  if (whom === "everyone" || mayEver(caller, "dismiss") || info.state === "ended") return;
  const whose = info.attachments.find(({ id }) => id === whom)?.who.name;
  // One that is not known yet may be somebody else's.
  if (whose === undefined) throw new BartizanFault("not-found", "There is no such attachment.");
  if (whose !== caller.name)
    throw new BartizanFault("forbidden", "You may not take others off a session, only end your own.", "Ask an admin.");
}
