/** The signs of life that a node gives while somebody listens, with how far its sessions have come; silent otherwise. */
import type { SessionId } from "../events.ts";
import type { Clock } from "../flow/clock.ts";

/** How far a session has come. */
export interface Progress {
  readonly sessionId: string;
  readonly offset: bigint;
}

export interface SignsOfLifeNeeds {
  readonly clock: Clock;
  readonly heartbeatMs: number;
  /** Watched sessions with output since last asked. */
  readonly ticks: () => readonly { readonly sessionId: string; readonly offset: number }[];
  /** Resolves with how many heard it. */
  readonly publish: (ticks: readonly Progress[], active: readonly Progress[]) => Promise<number>;
}

export interface SignsOfLife extends Disposable {
  /** Somebody listens: a sign at once, then each second while there is one to hear it. */
  beat(): void;
  /** From `true` on this node hears its own signs, and gives them whoever else does; `false` ends that. */
  listen(own: boolean): void;
  /** The session has so much output; told with the next sign. */
  moved(session: SessionId, outputBytes: number): void;
  /** It has ended. */
  forget(session: SessionId): void;
}

/** Sessions in one message; about 45 bytes each. */
const rowsEach = 1000;
const gapMs = 50;

export function createSignsOfLife({ clock, heartbeatMs, ticks, publish }: SignsOfLifeNeeds): SignsOfLife {
  const active = new Map<SessionId, number>();
  let listening = false;
  let unheard = 0;
  let signedAtMs = Number.NEGATIVE_INFINITY;
  let beating: Disposable | undefined;
  let closed = false;

  function sign(): void {
    signedAtMs = clock.monotonicMs();
    const rows = [
      ...ticks().map((tick) => ({ ...tick, watched: true })),
      ...Array.from(active, ([sessionId, offset]) => ({ sessionId, offset, watched: false })),
    ];
    active.clear();
    for (let at = 0; at === 0 || at < rows.length; at += rowsEach) {
      const some = rows.slice(at, at + rowsEach);
      const of = (watched: boolean) =>
        some
          .filter((row) => row.watched === watched)
          .map(({ sessionId, offset }) => ({ sessionId, offset: BigInt(offset) }));
      publish(of(true), of(false)).then(counted, () => {});
    }
  }

  function counted(receivers: number): void {
    unheard = receivers > (listening ? 1 : 0) ? 0 : unheard + 1;
    // Twice: the one who listens may just be reconnecting.
    if (unheard >= 2 && !listening) stop();
  }

  function stop(): void {
    beating?.[Symbol.dispose]();
    beating = undefined;
  }

  function beat(): void {
    if (closed) return;
    unheard = 0;
    beating ??= clock.every(heartbeatMs, sign);
    // Many may ask for one in the same moment.
    if (clock.monotonicMs() - signedAtMs >= gapMs) sign();
  }

  return {
    beat,
    listen(own) {
      listening = own;
      if (own) beat();
    },
    moved(session, outputBytes) {
      // With nobody to tell it would only be kept.
      if (beating !== undefined) active.set(session, outputBytes);
    },
    forget: (session) => void active.delete(session),
    [Symbol.dispose]() {
      closed = true;
      stop();
    },
  };
}
