/** What the seals of lists, orders and records say they are; the frames of a session's channel count from 1. */
export const sealKinds = {
  list: 32,
  hello: 33,
  head: 34,
  session: 35,
  order: 36,
  tombstone: 37,
  dead: 38,
} as const;
