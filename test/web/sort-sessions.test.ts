import { create } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { expect, it } from "vitest";
import { SessionInfoSchema, SessionState } from "../../proto/gen/bartizan/v1/session_pb.ts";
import { sortSessions } from "../../web/parts/sort-sessions.ts";

const session = (id: string, operator: string, openedMs: number, state: SessionState = SessionState.ATTACHED) =>
  create(SessionInfoSchema, { id, state, operator: { name: operator }, openedAt: timestampFromMs(openedMs) });

const sessions = [
  session("old-end", "ann", 9_000, SessionState.ENDED),
  session("first", "zoe", 1_000),
  session("second", "bob", 2_000),
];

it("ended sessions stay below the live ones, whichever way the list is sorted", () => {
  for (const by of ["operator", "since", "idle"] as const) {
    for (const descending of [true, false]) {
      expect(sortSessions(sessions, { by, descending }).at(-1)?.id).toBe("old-end");
    }
  }
});

it("a column sorts both ways, and the list given stays as it is", () => {
  const ids = (by: "operator" | "since", descending: boolean) =>
    sortSessions(sessions, { by, descending }).map(({ id }) => id);
  expect(ids("since", true)).toEqual(["second", "first", "old-end"]);
  expect(ids("since", false)).toEqual(["first", "second", "old-end"]);
  expect(ids("operator", false)).toEqual(["second", "first", "old-end"]);
  expect(sessions.map(({ id }) => id)).toEqual(["old-end", "first", "second"]);
});
