/** What happens on the bus, counted: plain numbers that metrics, health and tests read. Knows no metrics library. */

/** What of a session travels in one message of its channel. */
export type FrameKind = "data" | "key-frame" | "word";
/** Why bytes were missing: a later frame came first, silence hid the last one, or the subscription was interrupted. */
export type GapCause = "hole" | "tail" | "interrupted";
/** How a gap was closed: bytes of the holder's ring, its screen, or not, because the session is over. */
export type ResumeKind = "ring" | "key-frame" | "gone";
/** Why a connection to Redis was made anew: no PONG, no echo of our own, a replica, or it failed by itself. */
export type ReconnectCause = "ping" | "probe" | "read-only" | "subscribe" | "error";
/** Why a message was not believed. `sender`: the form of the sender's id is not one of ours. */
export type RejectCause = "forged" | "replayed" | "oversize" | "version" | "sender" | "malformed";
/** What a kick of a session elsewhere was answered with. */
export type KickAnswer = "ended" | "already-ended" | "order-left" | "bus-down" | "not-found";

/** One number for each of several words. */
export type Tally<Word extends string> = Readonly<Partial<Record<Word, number>>>;

/** How observations spread: `counts[i]` of them were at most `bounds[i]`, and above the one before; the last count has no bound. */
export interface Spread {
  readonly boundsMs: readonly number[];
  readonly counts: readonly number[];
  readonly sumMs: number;
}

/** All numbers since the node started. */
export interface GroupCounts {
  readonly framesPublished: Tally<FrameKind>;
  readonly bytesPublished: number;
  /** Publishes of frames that nobody took. */
  readonly unheard: number;
  /** Publishes of frames that failed because the bus was down or full. */
  readonly publishFailures: number;
  readonly framesReceived: number;
  readonly bytesReceived: number;
  readonly gaps: Tally<GapCause>;
  readonly resumes: Tally<ResumeKind>;
  readonly keyFramesSent: number;
  /** Attaches that took a key frame which was on its way for somebody else. */
  readonly keyFramesShared: number;
  /** Of all sessions together, in which key frames took the place of output. */
  readonly floodMs: number;
  /** Watchers here of sessions elsewhere that were cut because they did not read. */
  readonly slowCuts: number;
  readonly downMs: number;
  readonly reconnects: Tally<ReconnectCause>;
  /** How often this node had to write its list whole. */
  readonly listRewrites: number;
  readonly kicks: Tally<KickAnswer>;
  readonly kickMs: Spread;
  /** From a frame's sealing to its opening on another node; as true as the two machines' clocks. */
  readonly lagMs: Spread;
  readonly rejected: Tally<RejectCause>;
}

/** Each call is cheap enough for every frame. None throws. */
export interface GroupMeter {
  /** A frame of a session's channel went out; `receivers` took it. */
  published(kind: FrameKind, bytes: number, receivers: number): void;
  publishFailed(): void;
  /** A frame of a session's channel came in and was believed; it was on its way for `lagMs`, by two clocks. */
  received(bytes: number, lagMs: number): void;
  gap(cause: GapCause): void;
  resumed(kind: ResumeKind): void;
  /** The holder sent a key frame for `sharedBy` attaches at once; 0: by itself, for a flood or a lagging channel. */
  keyFrame(sharedBy: number): void;
  flooded(ms: number): void;
  slowCut(): void;
  /** The bus is up or down from now on; telling the same twice does nothing. */
  bus(up: boolean): void;
  reconnected(cause: ReconnectCause): void;
  listRewritten(): void;
  kicked(answer: KickAnswer, tookMs: number): void;
  rejected(cause: RejectCause): void;
  /** What was counted so far; a copy. The time the bus is down goes on while it is. */
  counts(): GroupCounts;
}

const kickBoundsMs = [5, 10, 25, 50, 100, 250, 500, 1000, 3000];
const lagBoundsMs = [1, 2, 5, 10, 25, 50, 100, 250, 1000];

/** `monotonicMs` measures how long the bus is down. */
export function createGroupMeter({ monotonicMs }: { monotonicMs(): number }): GroupMeter {
  const framesPublished = createTally<FrameKind>();
  const gaps = createTally<GapCause>();
  const resumes = createTally<ResumeKind>();
  const reconnects = createTally<ReconnectCause>();
  const kicks = createTally<KickAnswer>();
  const rejected = createTally<RejectCause>();
  const kickMs = createSpread(kickBoundsMs);
  const lagMs = createSpread(lagBoundsMs);
  let downSinceMs: number | undefined;
  const plain = {
    ...{ bytesPublished: 0, unheard: 0, publishFailures: 0, framesReceived: 0, bytesReceived: 0, keyFramesSent: 0 },
    ...{ keyFramesShared: 0, floodMs: 0, slowCuts: 0, downMs: 0, listRewrites: 0 },
  };
  return {
    published(kind, bytes, receivers) {
      framesPublished.add(kind);
      plain.bytesPublished += bytes;
      if (receivers === 0) plain.unheard += 1;
    },
    publishFailed() {
      plain.publishFailures += 1;
    },
    received(bytes, lag) {
      plain.framesReceived += 1;
      plain.bytesReceived += bytes;
      lagMs.add(lag);
    },
    gap: gaps.add,
    resumed: resumes.add,
    keyFrame(sharedBy) {
      plain.keyFramesSent += 1;
      plain.keyFramesShared += Math.max(0, sharedBy - 1);
    },
    flooded(ms) {
      plain.floodMs += ms;
    },
    slowCut() {
      plain.slowCuts += 1;
    },
    bus(up) {
      if (!up) downSinceMs ??= monotonicMs();
      else if (downSinceMs !== undefined) {
        plain.downMs += monotonicMs() - downSinceMs;
        downSinceMs = undefined;
      }
    },
    reconnected: reconnects.add,
    listRewritten() {
      plain.listRewrites += 1;
    },
    kicked(answer, tookMs) {
      kicks.add(answer);
      kickMs.add(tookMs);
    },
    rejected: rejected.add,
    counts: () => ({
      ...plain,
      downMs: plain.downMs + (downSinceMs === undefined ? 0 : monotonicMs() - downSinceMs),
      ...{ framesPublished: framesPublished.counts(), gaps: gaps.counts(), resumes: resumes.counts() },
      ...{ reconnects: reconnects.counts(), kicks: kicks.counts(), rejected: rejected.counts() },
      ...{ kickMs: kickMs.spread(), lagMs: lagMs.spread() },
    }),
  };
}

function createTally<Word extends string>(): { add(word: Word): void; counts(): Tally<Word> } {
  const counts = new Map<Word, number>();
  return {
    add(word) {
      counts.set(word, (counts.get(word) ?? 0) + 1);
    },
    counts: () => Object.fromEntries(counts) as Tally<Word>,
  };
}

function createSpread(boundsMs: readonly number[]): { add(ms: number): void; spread(): Spread } {
  const counts = [...boundsMs, 0].map(() => 0);
  let sumMs = 0;
  return {
    add(ms) {
      // Two clocks may differ: what seems to have come before it was sent came at once.
      const real = Math.max(0, ms);
      const found = boundsMs.findIndex((bound) => real <= bound);
      const place = found < 0 ? boundsMs.length : found;
      counts[place] = (counts[place] ?? 0) + 1;
      sumMs += real;
    },
    spread: () => ({ boundsMs, counts: [...counts], sumMs }),
  };
}
