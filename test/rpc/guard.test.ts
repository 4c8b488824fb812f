import { Code, ConnectError, createHandlerContext } from "@connectrpc/connect";
import { expect, it } from "vitest";
import { SessionService } from "../../proto/gen/bartizan/v1/session_pb.ts";
import { rulesFrom } from "../../server/access/built-in-rules.ts";
import { createAccessChanges } from "../../server/access/changes.ts";
import type { Caller } from "../../server/access/policy.ts";
import { createRights } from "../../server/access/rights.ts";
import { createSignInNotes } from "../../server/access/sign-in-notes.ts";
import { BartizanFault } from "../../server/errors.ts";
import { createLog } from "../../server/log.ts";
import { callOf, createGuard, type Proof } from "../../server/rpc/guard.ts";
import { createCountingClock } from "../support/counting-clock.ts";
import { createHeldClock } from "../support/held-clock.ts";

interface Given {
  readonly header?: Record<string, string>;
  readonly onProof?: (proof: Proof) => void;
}

const carol: Caller = { name: "carol", roles: new Set(["auditor"]) };

function watchedBy(again: () => Caller | undefined, given: Given = {}) {
  const held = createHeldClock();
  const clock = createCountingClock(held);
  const changes = createAccessChanges();
  const rights = createRights(rulesFrom([]), changes);
  const log = createLog("silent");
  const audit = { note() {}, write() {} };
  const throttle = { admit() {} };
  const guard = createGuard({
    ...{ rights, changes, throttle, clock, log, audit, signIns: createSignInNotes(audit, clock) },
    linkMeter: { tokenRefused() {} },
    credentialOf(proof) {
      given.onProof?.(proof);
      return { caller: carol, again };
    },
  });
  const client = new AbortController();
  const context = createHandlerContext({
    ...{ service: SessionService, method: SessionService.method.watch, protocolName: "connect", url: "http://x/" },
    ...{
      requestMethod: "POST",
      requestSignal: client.signal,
      requestHeader: { authorization: "Bearer x", ...given.header },
    },
  });
  guard(context);
  const reason = () => (context.signal.aborted ? ConnectError.from(context.signal.reason).code : undefined);
  return { held, clock, changes, context, client, reason };
}

it("a stream is asked again every five seconds, though nobody told of a change", () => {
  let caller: Caller | undefined = carol;
  const { held, clock, reason } = watchedBy(() => caller);
  held.pass(5000);
  caller = undefined;
  held.pass(4999);
  expect(reason()).toBeUndefined();
  held.pass(1);
  expect(reason()).toBe(Code.Unauthenticated);
  expect(clock.pending).toBe(0);
});

it("a change of somebody else's asks nobody; one's own, and everybody's, at once", () => {
  let asked = 0;
  const { changes, client, clock, held } = watchedBy(() => {
    asked += 1;
    return carol;
  });
  changes.tell({ why: "signed-out", name: "alice" });
  expect(asked).toBe(0);
  changes.tell({ why: "signed-out", name: "carol" });
  changes.tell({ why: "rules" });
  expect(asked).toBe(2);
  client.abort();
  held.pass(60_000);
  changes.tell({ why: "rules" });
  expect(asked).toBe(2);
  expect(clock.pending).toBe(0);
});

it("a question of the handler's own is asked with it, of the caller as he is now, and its answer ends the stream", () => {
  let caller: Caller = carol;
  const { changes, context, reason } = watchedBy(() => caller);
  callOf(context).ask(({ roles }) => {
    if (roles.has("operator")) throw new BartizanFault("not-found", "There is no such session.");
  });
  changes.tell({ why: "principals" });
  expect(reason()).toBeUndefined();
  caller = { ...carol, roles: new Set(["auditor", "operator"]) };
  changes.tell({ why: "principals" });
  expect(reason()).toBe(Code.NotFound);
  expect(callOf(context).caller.roles).toContain("operator");
});

it("a call that a page says it makes by itself is taken as such, whatever the method", () => {
  const seen: boolean[] = [];
  const onProof = ({ byItself }: Proof) => void seen.push(byItself);
  watchedBy(() => carol, { onProof }).client.abort();
  watchedBy(() => carol, { onProof, header: { "bartizan-by-itself": "1" } }).client.abort();
  expect(seen).toEqual([false, true]);
});
