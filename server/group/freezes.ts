/** Stops the input of sessions on other nodes, and takes such wishes from them. Silence is a fault: nothing is kept for later. */
import { BartizanFault } from "../errors.ts";
import type { Frozen, Principal, SessionId } from "../events.ts";
import { frozenToWire } from "../rpc/wire.ts";
import type { Registry } from "../session/registry.ts";
import { BusDown } from "./bus.ts";
import { frozenOf } from "./from-wire.ts";
import { type Inbox, NoAnswer } from "./inbox.ts";
import type { NodeId } from "./names.ts";
import { holderUnreachable } from "./remote-session.ts";

const answerMs = 3000;

export interface FreezeWish {
  readonly by: Principal;
  readonly reason?: string;
  readonly giveBack?: boolean;
}

export interface Freezes extends AsyncDisposable {
  /** Resolves with how it stands there. Rejects with `not-found` on the holder's own word, or `holder-unreachable`. */
  ask(session: SessionId, holder: NodeId, wish: FreezeWish): Promise<Frozen | undefined>;
}

export function openFreezes({ inbox, registry }: { readonly inbox: Inbox; readonly registry: Registry }): Freezes {
  const life = new AbortController();
  const handler = inbox.on("freeze", ({ sessionId, by, reason, giveBack }, _from, reply) => {
    const session = registry.find(sessionId);
    const who = { name: by?.name ?? "" };
    const done = session === undefined ? undefined : giveBack ? session.unfreeze(who) : session.freeze(who, reason);
    Promise.resolve(done)
      .then(() => session?.info)
      .then(
        (info) =>
          reply({
            case: "frozen",
            value: {
              notFound: info === undefined,
              ...(info?.frozen === undefined ? {} : { frozen: frozenToWire(info.frozen) }),
            },
          }),
        () => reply({ case: "frozen", value: { notFound: true } }),
      );
  });
  return {
    async ask(session, holder, { by, reason = "", giveBack = false }) {
      const body = { case: "freeze" as const, value: { sessionId: session, by, reason, giveBack } };
      try {
        const { frozen, notFound } = await inbox.ask(holder, body, "frozen", answerMs, life.signal);
        if (notFound) throw new BartizanFault("not-found", "There is no such session.");
        return frozen && frozenOf(frozen);
      } catch (error) {
        if (error instanceof NoAnswer || error instanceof BusDown) throw holderUnreachable(holder, error);
        throw error;
      }
    },
    async [Symbol.asyncDispose]() {
      life.abort(new BusDown("This node leaves the bus."));
      handler[Symbol.dispose]();
    },
  };
}
