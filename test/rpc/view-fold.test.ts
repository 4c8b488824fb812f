import { expect, it } from "vitest";
import type { RecordingId } from "../../server/events.ts";
import { createViewFold } from "../../server/rpc/view-fold.ts";
import { createHeldClock } from "../support/held-clock.ts";

const [one, other] = ["1".repeat(32) as RecordingId, "2".repeat(32) as RecordingId];

it("a caller's looks at one recording within a minute are one view; others' and later ones are their own", () => {
  const clock = createHeldClock();
  const fold = createViewFold(clock);
  const noted: string[] = [];
  const look = (who: string, recording: RecordingId) =>
    fold({ name: who }, recording, () => noted.push(who + recording[0]));
  for (let drag = 0; drag < 50; drag += 1) look("carol", one);
  look("carol", other);
  look("root", one);
  expect(noted).toEqual(["carol1", "carol2", "root1"]);
  clock.pass(59_000);
  look("carol", one);
  expect(noted).toHaveLength(3);
  clock.pass(1000);
  look("carol", one);
  look("carol", one);
  expect(noted).toEqual(["carol1", "carol2", "root1", "carol1"]);
});

it("looks with one name from two addresses, or signed in two ways, are two views: a second viewer does not hide", () => {
  const fold = createViewFold(createHeldClock());
  const noted: string[] = [];
  for (let round = 0; round < 2; round += 1)
    for (const [address, signedIn] of [
      ["10.0.0.1", "token"],
      ["10.0.0.2", "token"],
      ["10.0.0.1", "api-token"],
    ] as const)
      fold({ name: "carol", address, signedIn }, one, () => noted.push(`${address} ${signedIn}`));
  expect(noted).toEqual(["10.0.0.1 token", "10.0.0.2 token", "10.0.0.1 api-token"]);
});

it("a view that could not be noted is not taken for noted", () => {
  const fold = createViewFold(createHeldClock());
  const full = () => {
    throw new Error("full");
  };
  for (let attempt = 0; attempt < 2; attempt += 1) expect(() => fold({ name: "carol" }, one, full)).toThrow("full");
});
