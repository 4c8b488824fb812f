/** The sessions as calls see them: those of this node, and with a group those of all its nodes. Interface, and one node alone. */
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

/** Nothing here says who may see what: callers ask the policy with what they find. */
export interface Sessions {
  /** A session that lives, as far as this node knows; undefined when there is none, or it has ended. */
  find(id: string, signal: AbortSignal): Promise<LiveSession | undefined>;
  /** How a session ended, when that is known. */
  findEnded(id: string, signal: AbortSignal): Promise<SessionInfo | undefined>;
  /**
   * Whether a session of this id may live on a node that cannot be asked, so that "there is none" cannot be said; then
   * it can be kicked, by who may kick any.
   */
  findUnknown(id: string, signal: AbortSignal): Promise<Pick<LiveSession, "kick"> | undefined>;
  /** Newest first. */
  list(): Promise<SessionInfo[]>;
  /** Of this node, newest first. */
  listEnded(): SessionInfo[];
  /** Resolves when the lists of all nodes that can be heard are in. */
  follow(): Promise<LiveList>;
}

/** Of a node that has no others. */
export function sessionsOf(registry: Registry): Sessions {
  return {
    find: async (id) => registry.find(id),
    findEnded: async (id) => registry.findEnded(id),
    findUnknown: async () => undefined,
    list: async () => registry.list(),
    listEnded: () => registry.listEnded(),
    follow: async () => ({
      list: () => registry.list(),
      onChange: (listener) => registry.onChange(listener),
      [Symbol.asyncDispose]: async () => {},
    }),
  };
}
