/** A43, in short: `npm run fuzz` does it for ten minutes. */
import { expect, test } from "vitest";
import { fuzz } from "./fuzz.ts";

test("hostile bodies, frames, recordings and configs end nothing, hang nothing, and change no prototype", {
  timeout: 60_000,
}, async () => {
  const seed = 20_261_126;
  const counts = await fuzz({ forMs: 8_000, seed, tell: () => {} });
  expect(counts.size).toBe(8);
  for (const [name, count] of counts) expect(count, name).toBeGreaterThan(10);
});
