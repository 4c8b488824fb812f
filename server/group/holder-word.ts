/** A node's own word on one of its sessions, for when its record does not have it: too new, or Redis took nothing. */
import type { SessionId, SessionInfo } from "../events.ts";
import { BusDown } from "./bus.ts";
import { infoOf } from "./from-wire.ts";
import { type Inbox, NoAnswer } from "./inbox.ts";
import { holderOf, type NodeId } from "./names.ts";

export interface HolderWord extends Disposable {
  /** "none": it never was there, or was forgotten. Undefined: no answer in time. Rejects with `BusDown`. */
  ask(session: SessionId, holder: NodeId): Promise<SessionInfo | "none" | undefined>;
}

export function createHolderWord(inbox: Inbox, answerMs: number): HolderWord {
  const life = new AbortController();
  return {
    async ask(sessionId, holder) {
      const body = { case: "attach" as const, value: { sessionId, look: true } };
      try {
        const { gone, session } = await inbox.ask(holder, body, "attached", answerMs, life.signal);
        if (session === undefined) return gone ? "none" : undefined;
        // A node speaks of its own sessions alone.
        if (session.id !== sessionId || holderOf(session.id) !== holder) return undefined;
        return gone ? { ...infoOf(session), state: "ended" } : infoOf(session);
      } catch (error) {
        if (error instanceof NoAnswer) return undefined;
        throw error;
      }
    },
    [Symbol.dispose]: () => life.abort(new BusDown("This node leaves the bus.")),
  };
}
