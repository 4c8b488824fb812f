/** Who asked to be let in, counted: plain numbers that metrics read. Names and addresses are the log's. */

/** What became of a one-time code. `away`: the node that made it could not be asked. */
export type RedeemOutcome = "ok" | "wrong" | "throttled" | "away";

export interface LoginCounts {
  readonly linksMade: number;
  readonly redeems: Readonly<Record<RedeemOutcome, number>>;
  /** Calls without a token, or with one that is worth nothing. */
  readonly refusedTokens: number;
}

export interface LoginMeter {
  linkMade(): void;
  redeemed(outcome: RedeemOutcome): void;
  tokenRefused(): void;
  counts(): LoginCounts;
}

export function createLoginMeter(): LoginMeter {
  let linksMade = 0;
  let refusedTokens = 0;
  const redeems = { ok: 0, wrong: 0, throttled: 0, away: 0 };
  return {
    linkMade() {
      linksMade += 1;
    },
    redeemed(outcome) {
      redeems[outcome] += 1;
    },
    tokenRefused() {
      refusedTokens += 1;
    },
    counts: () => ({ linksMade, refusedTokens, redeems: { ...redeems } }),
  };
}
