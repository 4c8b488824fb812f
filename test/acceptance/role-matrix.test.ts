/** A02: every RPC, called by everybody, on what is his own and what is another's, with a label that a policy names and without. */

import { readdirSync } from "node:fs";
import { join } from "node:path";
import type { DescService } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type CallFault, type Clients, faultOf } from "../../proto/client/index.ts";
import type { Config } from "../../server/config.ts";
import { root } from "../house/sources.ts";
import { createMemoryTarget } from "../support/memory-target.ts";
import { openTestBastion, type TestBastion } from "../support/test-bastion.ts";
import { until } from "../support/until.ts";
import { type OperatorViewing, operate } from "../support/viewing.ts";

const policies: Config["policies"] = [
  { name: "own", allow: ["see", "watch", "replay"], whose: "own", labels: { team: "*" } },
  { name: "shells", allow: ["open", "kick"], roles: ["operator"], whose: "own", labels: { team: "shop" } },
  { name: "the owner elsewhere", allow: ["open"], users: ["opal"], whose: "own" },
  {
    name: "oversight",
    allow: ["watch", "replay"],
    roles: ["auditor"],
    whose: "any",
    labels: { team: "shop" },
  },
  { name: "the log", allow: ["audit"], roles: ["auditor"], whose: "any" },
  { name: "managing", allow: ["manage", "replay"], roles: ["admin"], whose: "any", labels: { team: "shop" } },
  { name: "hidden", deny: ["see"], whose: "others", labels: { team: "ops" } },
];

const endless = { burst: 1e9, everyMs: 1 };

/** opal has a session on each target; the others have none. "off" is disabled. */
const principals = { opal: ["operator"], ops: ["operator"], aud: ["auditor"], adm: ["admin"], off: ["admin"] } as const;
const callers = ["opal", "ops", "aud", "adm"] as const;

interface Place {
  readonly target: string;
  readonly session: string;
  readonly recording: string;
}

const first = async (stream: AsyncIterable<unknown>) => {
  for await (const _ of stream) return;
};

/** How each is called about a place. What gives no fault was allowed. */
const calls: Readonly<Record<string, (clients: Clients, place: Place) => Promise<unknown>>> = {
  "AccessService/WhoAmI": ({ access }) => access.whoAmI({}),
  "AccessService/CreateLink": ({ access }) => access.createLink({}),
  "AccessService/CreateToken": ({ access }) => access.createToken({ label: "x" }),
  "AccessService/ListTokens": ({ access }) => access.listTokens({}),
  "AccessService/RevokeToken": ({ access }) => access.revokeToken({ id: "missing" }),
  "AccessService/GetLogin": ({ access }) => access.getLogin({}),
  "AccessService/AnswerLogin": ({ access }) => access.answerLogin({}),
  "AccessService/Logout": ({ access }) => access.logout({}),
  "TargetService/ListTargets": async ({ targets }, { target }) => has((await targets.listTargets({})).targets, target),
  "SessionService/Shell": (clients, { target }) => opened(clients, { target }),
  "SessionService/Shell again": (clients, { target, session }) => opened(clients, { target, session }),
  "SessionService/Watch": ({ sessions }, { session }) => first(sessions.watch({ sessionId: session })),
  "SessionService/Kick": ({ sessions }, { session }) =>
    // An attachment that there is not: only who may kick learns that.
    sessions.kick({ sessionId: session, attachmentId: "nobody's", reason: "x" }).catch(unlessNoAttachment),
  "SessionService/Freeze": ({ sessions }, { session }) => sessions.freeze({ sessionId: session, reason: "x" }),
  "SessionService/Unfreeze": ({ sessions }, { session }) => sessions.unfreeze({ sessionId: session }),
  "SessionService/ListSessions": async ({ sessions }, { session }) =>
    has((await sessions.listSessions({ includeEnded: true })).sessions, session),
  "SessionService/WatchSessions": async ({ sessions }, { session }) => {
    for await (const { event } of sessions.watchSessions({}))
      if (event.case === "snapshot") return has(event.value.sessions, session);
  },
  "RecordingService/ListRecordings": async ({ recordings }, { recording }) =>
    has((await recordings.listRecordings({})).recordings, recording),
  "RecordingService/GetRecording": ({ recordings }, { recording }) => recordings.getRecording({ id: recording }),
  "RecordingService/Replay": ({ recordings }, { recording }) => first(recordings.replay({ id: recording })),
  "RecordingService/VerifyRecordings": ({ recordings }, { recording }) =>
    first(recordings.verifyRecordings({ id: recording })),
  "RecordingService/ExportRecording": ({ recordings }, { recording }) =>
    first(recordings.exportRecording({ id: recording })),
  "RecordingService/DeleteRecording": ({ recordings }, { recording }) =>
    // It is live: only who may delete it learns that.
    recordings.deleteRecording({ id: recording, reason: "x" }).catch(unlessLive),
  "RecordingService/GetRecordingKey": ({ recordings }) => recordings.getRecordingKey({}),
  "CommandService/SearchCommands": ({ commands }) => commands.searchCommands({}),
  "LockService/SetLock": async ({ locks }, { target }) => {
    const until = timestampFromMs(Date.now() + 60_000);
    const { lock } = await locks.setLock({ user: "zed", target, reason: "x", until });
    await locks.liftLock({ id: lock?.id ?? "" });
  },
  "LockService/LiftLock": ({ locks }, { target }) => locks.liftLock({ id: lockOn.get(target) ?? target }),
  "LockService/ListLocks": async ({ locks }, { target }) =>
    has((await locks.listLocks({})).locks, lockOn.get(target) ?? ""),
  "AuditService/SearchAudit": ({ audit }) => audit.searchAudit({}),
  "AuditService/FollowAudit": ({ audit }) => first(audit.followAudit({})),
};

/** For opal, ops, aud and adm, on the shop's target and on the other: o allowed, n not found, f forbidden, i: it came so far. */
const table: Readonly<Record<string, string>> = {
  "AccessService/WhoAmI": "oo oo oo oo",
  "AccessService/CreateLink": "oo oo oo oo",
  "AccessService/CreateToken": "oo oo oo oo",
  "AccessService/ListTokens": "oo oo oo oo",
  "AccessService/RevokeToken": "nn nn nn nn",
  "AccessService/GetLogin": "nn nn nn nn",
  "AccessService/AnswerLogin": "nn nn nn nn",
  "AccessService/Logout": "oo oo oo oo",
  "TargetService/ListTargets": "oo oo oo oo",
  "SessionService/Shell": "oo of ff ff",
  "SessionService/Shell again": "oo nn ff ff",
  "SessionService/Watch": "oo nn on fn",
  "SessionService/Kick": "of nn ff on",
  "SessionService/Freeze": "ff ff ff on",
  "SessionService/Unfreeze": "ff ff ff on",
  "SessionService/ListSessions": "oo nn on on",
  "SessionService/WatchSessions": "oo nn on on",
  "RecordingService/ListRecordings": "oo nn on on",
  "RecordingService/GetRecording": "oo nn on on",
  "RecordingService/Replay": "oo nn on on",
  "RecordingService/VerifyRecordings": "oo nn on on",
  "RecordingService/ExportRecording": "oo nn on on",
  "RecordingService/DeleteRecording": "ff ff ff on",
  "RecordingService/GetRecordingKey": "oo oo oo oo",
  "CommandService/SearchCommands": "oo oo oo oo",
  "LockService/SetLock": "ff ff ff of",
  "LockService/LiftLock": "ff ff ff on",
  "LockService/ListLocks": "nn nn nn on",
  "AuditService/SearchAudit": "ff ff oo ff",
  "AuditService/FollowAudit": "ff ff oo ff",
};

/** Needs no token: test/acceptance/anonymous-sweep.test.ts has them. */
const forAnyone = ["RedeemCode", "GetSignInWays", "BeginLogin", "PollLogin"];

const lockOn = new Map<string, string>();

class NotListed extends Error {}

function has(list: readonly { readonly id?: string; readonly name?: string }[], what: string): void {
  if (!list.some(({ id, name }) => id === what || name === what)) throw new NotListed();
}

function unlessNoAttachment(error: unknown): void {
  if (faultOf(error).message !== "There is no such attachment.") throw error;
}

function unlessLive(error: unknown): void {
  if (!/still runs/.test(faultOf(error).message)) throw error;
}

async function opened(clients: Clients, { target, session }: { target: string; session?: string }): Promise<void> {
  const operator = operate(clients, target, session === undefined ? {} : { sessionId: session });
  await Promise.race([operator.started(), operator.over]);
  if (session === undefined) {
    operator.shell.hangUp();
    await operator.ended();
  }
  await operator[Symbol.asyncDispose]();
}

async function answer(call: Promise<unknown>): Promise<{ letter: string; fault?: CallFault }> {
  try {
    await call;
    return { letter: "o" };
  } catch (error) {
    if (error instanceof NotListed) return { letter: "n" };
    const fault = faultOf(error);
    return { letter: { "not-found": "n", forbidden: "f", invalid: "o" }[fault.word] ?? fault.word, fault };
  }
}

async function methodsOfContract(): Promise<string[]> {
  const folder = join(root, "proto", "gen", "bartizan", "v1");
  const modules = await Promise.all(readdirSync(folder).map((name) => import(join(folder, name))));
  const services = modules.flatMap((module) =>
    Object.values(module as Record<string, { kind?: string }>).filter((each) => each?.kind === "service"),
  ) as DescService[];
  return services.flatMap(({ typeName, methods }) =>
    methods.map(({ name }) => `${typeName.replace("bartizan.v1.", "")}/${name}`),
  );
}

describe("A02 role matrix", () => {
  const shop = createMemoryTarget({ name: "shop" });
  const other = createMemoryTarget({ name: "other" });
  const targets = [
    { ...shop.target, labels: { team: "shop" } },
    { ...other.target, labels: { team: "ops" } },
  ];
  let bastion: TestBastion;
  const holding: OperatorViewing[] = [];
  const places: Place[] = [];
  beforeAll(async () => {
    const dial: typeof shop.dial = (target, ...rest) => (target.name === "shop" ? shop : other).dial(target, ...rest);
    bastion = await openTestBastion({
      // Most of these calls are refused, all from one address.
      throttle: { net: endless, name: endless, nameAndNet: endless, everybody: endless },
      principals,
      targets,
      dial,
      config: { policies },
    });
    bastion.reload({ ...bastion.config, disabledUsers: ["off"] });
    for (const { name } of targets) {
      const operator = operate(bastion.clients("token-opal"), name);
      const { session } = await operator.started();
      holding.push(operator);
      places.push({ target: name, session: session.id, recording: session.recordingId });
    }
  });
  afterAll(async () => {
    for (const { session } of places) await bastion.registry.find(session)?.kick("everyone", { name: "t" }, "over");
    for (const each of holding) await each[Symbol.asyncDispose]();
    await bastion[Symbol.asyncDispose]();
  });

  it("has a row for every method of the contract, so that a new one cannot be forgotten", async () => {
    const known = Object.keys(table).map((name) => name.split(" ", 1)[0]);
    const missing = (await methodsOfContract()).filter(
      (method) => !known.includes(method) && !forAnyone.some((name) => method.endsWith(`/${name}`)),
    );
    expect(missing).toEqual([]);
    expect(Object.keys(calls).sort()).toEqual(Object.keys(table).sort());
  });

  it("lets nobody in without a token, with one that nobody has, or when he is disabled: not by any method", async () => {
    const [place] = places;
    if (place === undefined) throw new Error("no place");
    for (const [method, call] of Object.entries(calls))
      for (const token of ["token-nobody", "token-off"]) {
        const { fault } = await answer(call(bastion.clients(token), place));
        expect([method, token, fault?.word]).toEqual([method, token, "unauthenticated"]);
      }
  });

  it.each(Object.entries(table))("%s answers everybody as the policy is written", async (method, row) => {
    const call = calls[method];
    if (call === undefined) throw new Error(`no call of ${method}`);
    const cells = row.split(" ");
    if (method.startsWith("LockService/L")) await setLocks();
    for (const [at, name] of callers.entries()) {
      const got: string[] = [];
      for (const place of places) {
        const mine = bastion.clients(`token-${name}`);
        const { letter, fault } = await answer(call(mine, place));
        got.push(letter);
        if (letter !== "n" || fault === undefined) continue;
        // What is not his answers exactly as what is not there.
        const missing = { target: place.target, session: "test-missing", recording: "0".repeat(32) };
        const { fault: none } = await answer(call(mine, missing));
        expect([method, name, fault.message, fault.hint]).toEqual([method, name, none?.message, none?.hint]);
      }
      expect([method, name, got.join("")]).toEqual([method, name, cells[at]]);
    }
    // Reattaching took the keyboard over: the shell is the same.
    await until(() => bastion.registry.size === 2, "both sessions live");
  });

  /** A lock of somebody else's on each target; set where no policy is asked. */
  async function setLocks(): Promise<void> {
    lockOn.clear();
    bastion.reload({ ...bastion.config, disabledUsers: ["off"], policies: [] });
    for (const { target } of places) {
      const { lock } = await bastion.clients("token-adm").locks.setLock({ user: "zed", target, reason: "x" });
      lockOn.set(target, lock?.id ?? "");
    }
    bastion.reload({ ...bastion.config, disabledUsers: ["off"], policies });
  }
});
