/** Who is connected, and who goes when it gets crowded: strangers before callers, and of one source its own first (R30). */
import type { Socket } from "node:net";

export interface CrowdLimits {
  readonly maxConnections: number;
  /** Of those, at most this many on which nobody has shown a token yet. */
  readonly maxUnauthenticated: number;
  /** Connections from one source's net, and of those without a token. */
  readonly maxPerSource: number;
  readonly maxUnauthenticatedPerSource: number;
}

export interface Crowd {
  readonly sockets: ReadonlySet<Socket>;
  readonly strangers: ReadonlySet<Socket>;
  /**
   * Takes a socket in, as a stranger, and hangs up on whoever has to go for it; false when it is itself hung up on. It
   * leaves when it closes. `source` undefined: not counted for any source (a proxy speaks for many).
   */
  enter(socket: Socket, source: string | undefined): boolean;
  /** Somebody has shown a token on it. */
  known(socket: Socket): void;
}

interface Source {
  readonly sockets: Set<Socket>;
  /** Longest waiting first, as in all sets here. */
  readonly strangers: Set<Socket>;
}

/** `onCrowded` is called each time somebody is hung up on. */
export function createCrowd(limits: CrowdLimits, onCrowded: () => void): Crowd {
  const sockets = new Set<Socket>();
  const strangers = new Set<Socket>();
  const sources = new Map<string, Source>();
  const sourceOf = new Map<Socket, string>();

  const known = (socket: Socket) => {
    strangers.delete(socket);
    sources.get(sourceOf.get(socket) ?? "")?.strangers.delete(socket);
  };
  const leave = (socket: Socket) => {
    known(socket);
    sockets.delete(socket);
    const name = sourceOf.get(socket);
    sourceOf.delete(socket);
    if (name === undefined) return;
    const source = sources.get(name);
    source?.sockets.delete(socket);
    if (source?.sockets.size === 0) sources.delete(name);
  };
  const hangUpOnFirst = (waiting: ReadonlySet<Socket>): boolean => {
    const [longest] = waiting;
    if (longest === undefined) return false;
    leave(longest);
    longest.destroy();
    onCrowded();
    return true;
  };
  /** Makes room for one more; false when all that are there have shown a token. */
  const makeRoom = (all: ReadonlySet<Socket>, waiting: ReadonlySet<Socket>, max: number, maxWaiting: number) => {
    if (waiting.size >= maxWaiting || all.size >= max) return hangUpOnFirst(waiting);
    return true;
  };
  return {
    sockets,
    strangers,
    enter(socket, name) {
      const source = name === undefined ? undefined : sources.get(name);
      const { maxConnections, maxUnauthenticated, maxPerSource, maxUnauthenticatedPerSource } = limits;
      const room =
        (source === undefined ||
          makeRoom(source.sockets, source.strangers, maxPerSource, maxUnauthenticatedPerSource)) &&
        makeRoom(sockets, strangers, maxConnections, maxUnauthenticated);
      if (!room) {
        socket.destroy();
        onCrowded();
        return false;
      }
      sockets.add(socket);
      strangers.add(socket);
      if (name !== undefined) {
        const own = sources.get(name) ?? { sockets: new Set(), strangers: new Set() };
        sources.set(name, own);
        own.sockets.add(socket);
        own.strangers.add(socket);
        sourceOf.set(socket, name);
      }
      socket.once("close", () => leave(socket));
      return true;
    },
    known,
  };
}
