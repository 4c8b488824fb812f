import type { Interceptor } from "@connectrpc/connect";
import { afterEach, beforeEach, expect, it } from "vitest";
import { bearer, createClients } from "../../proto/client/index.ts";
import { createNodeTransport } from "../../proto/client/node-transport.ts";
import { createAttendance } from "../../web/attendance.ts";
import { openTestBastion, type TestBastion } from "../support/test-bastion.ts";

let bastion: TestBastion;
beforeEach(async () => {
  bastion = await openTestBastion();
});
afterEach(() => bastion[Symbol.asyncDispose]());

it("calls of a page that nobody touches say so, from a touch on they do not, and streams never do", async () => {
  const page = new EventTarget();
  let nowMs = 0;
  const { mark } = createAttendance(page, () => nowMs);
  const seen: (string | null)[] = [];
  const look: Interceptor = (next) => (request) => {
    seen.push(request.header.get("bartizan-by-itself"));
    return next(request);
  };
  using transport = createNodeTransport({
    baseUrl: bastion.url,
    interceptors: [bearer(() => bastion.token), mark, look],
  });
  const { locks, sessions } = createClients(transport);
  await locks.listLocks({});
  nowMs = 10_000;
  await locks.listLocks({});
  for await (const _ of sessions.watchSessions({})) break;
  page.dispatchEvent(new Event("keydown"));
  await locks.listLocks({});
  nowMs += 10_000;
  await locks.listLocks({});
  expect(seen).toEqual([null, "1", null, null, "1"]);
});
