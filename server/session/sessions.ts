/** The sessions as calls see them: those of this node, and with a group those of all its nodes. Interface, and one node alone. */
import type { BartizanFault } from "../errors.ts";
import type { SessionInfo } from "../events.ts";
import type { LiveSession } from "./live-session.ts";
import type { Registry } from "./registry.ts";

/** The live sessions, kept up to date until disposed. */
export interface LiveList extends AsyncDisposable {
  /** Newest first. */
  list(): SessionInfo[];
  /** Calls for each new, changed or ended session until disposed; output alone counts at most once a second. */
  onChange(listener: (info: SessionInfo) => void): Disposable;
}

/** What is known of a session id. */
export type Found =
  | { readonly kind: "live"; readonly session: LiveSession }
  /** `orderId`: the kick that ended it, when one did that has an id. `fault`: what to say to who wants to see it live. */
  | { readonly kind: "ended"; readonly info: SessionInfo; readonly orderId?: string; readonly fault?: BartizanFault }
  | { readonly kind: "none" }
  /** It may live on a node that cannot be asked, and whose it is, is not known. It can be kicked all the same. */
  | { readonly kind: "unknown"; readonly fault: BartizanFault; readonly kick: LiveSession["kick"] };

/** Nothing here says who may see what: callers ask the policy with what they find. */
export interface Sessions {
  find(id: string): Promise<Found>;
  /** Newest first. */
  list(): Promise<SessionInfo[]>;
  /** Of this node, newest first. */
  listEnded(): SessionInfo[];
  /** Resolves when the lists of all nodes that can be heard are in. Rejects with the signal's reason when that aborts first. */
  follow(signal: AbortSignal): Promise<LiveList>;
}

/** As a node knows its own: with no others, or before it asks them. */
export function findHeld(registry: Registry, id: string): Found {
  const session = registry.find(id);
  if (session !== undefined) return { kind: "live", session };
  const info = registry.findEnded(id);
  return info === undefined ? { kind: "none" } : { kind: "ended", info };
}

/** Of a node that has no others. */
export function sessionsOf(registry: Registry): Sessions {
  return {
    find: async (id) => findHeld(registry, id),
    list: async () => registry.list(),
    listEnded: () => registry.listEnded(),
    follow: async () => ({
      list: () => registry.list(),
      onChange: (listener) => registry.onChange(listener),
      [Symbol.asyncDispose]: async () => {},
    }),
  };
}
