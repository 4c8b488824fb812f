/** Every time that nodes of a group agree on, in one place; tests shorten them. The reasons stand beside each. */

/** Milliseconds, unless said otherwise. */
export interface Timing {
  /** A node's record lives this long: who does not renew it cannot be heard. */
  readonly leaseMs: number;
  /** A node renews its lease, reads its orders, and looks for nodes it does not know this often. */
  readonly renewMs: number;
  /** A node that is listened to gives a sign of life this often. */
  readonly heartbeatMs: number;
  /** After so many signs of life that did not come the node is asked for. */
  readonly missedBeats: number;
  /** Nobody waits longer for the list of another node, whatever that node or its record is like: it follows later. */
  readonly readyMs: number;
  /** Changes of a list are gathered this long; the first goes at once. */
  readonly batchMs: number;
  /** A silent node's sessions stay on the lists this long; orders, tombstones and dead markers live as long. */
  readonly forgetMs: number;
  /** A kick elsewhere is answered within this. */
  readonly kickMs: number;
  /** The holder gives the same answer to the same order for this long. */
  readonly orderMs: number;
}

export const timing: Timing = {
  leaseMs: 15_000,
  renewMs: 5_000,
  heartbeatMs: 1_000,
  missedBeats: 3,
  readyMs: 1_500,
  batchMs: 250,
  forgetMs: 24 * 60 * 60 * 1000,
  kickMs: 3_000,
  orderMs: 5 * 60 * 1000,
};
