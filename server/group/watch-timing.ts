/** Every time and size that watching across nodes goes by, in one place; tests shorten them. */

/** Milliseconds, unless said otherwise. */
export interface WatchTiming {
  /** A session's channel carries a key frame for those who join at most this often. */
  readonly keyFrameMs: number;
  /** A flooding session's channel carries key frames alone, this often. */
  readonly floodFrameMs: number;
  /** Output that follows other output closer than this is gathered ... */
  readonly flushMs: number;
  /** ... for up to this long when the bus is slow ... */
  readonly flushAtMostMs: number;
  /** ... or until so many bytes are. */
  readonly flushBytes: number;
  /** More bytes than this within `floodWindowMs`: the session floods ... */
  readonly floodBytes: number;
  readonly floodWindowMs: number;
  /** ... until there are fewer than this within `calmWindowMs`. */
  readonly calmBytes: number;
  readonly calmWindowMs: number;
  /** A later frame is kept this long for the one that is missing, then the holder is asked ... */
  readonly holdMs: number;
  /** ... or until so many bytes are kept. */
  readonly holdBytes: number;
  /** A node says this often which sessions are watched on it ... */
  readonly keepMs: number;
  /** ... and counts as gone when it was silent for so long. */
  readonly expiryMs: number;
  /** Two frames that nobody took, this far apart: nobody watches. */
  readonly unheardMs: number;
  /** The holder is given so long to answer an attach or a question for what is missing. */
  readonly askMs: number;
  /** After a question without an answer, and after a publish that failed. */
  readonly againMs: number;
  /** Watchers are told that a session ended within this. */
  readonly toldMs: number;
  /** Views stay open this long while the holder cannot be heard. */
  readonly unreachableMs: number;
  /** A watcher that lags and does not read for so long is cut. */
  readonly slowMs: number;
  /** The holder still gives missing bytes of a session that ended, for so long. */
  readonly afterEndMs: number;
}

export const watchTiming: WatchTiming = {
  ...{ keyFrameMs: 250, floodFrameMs: 100 },
  ...{ flushMs: 8, flushAtMostMs: 100, flushBytes: 16 * 1024 },
  ...{ floodBytes: 64 * 1024, floodWindowMs: 250, calmBytes: 64 * 1024, calmWindowMs: 500 },
  ...{ holdMs: 100, holdBytes: 64 * 1024 },
  ...{ keepMs: 10_000, expiryMs: 30_000, unheardMs: 1000 },
  ...{ askMs: 3000, againMs: 250, toldMs: 800, unreachableMs: 30_000, slowMs: 10_000, afterEndMs: 5000 },
};
