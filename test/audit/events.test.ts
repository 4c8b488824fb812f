import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { durationFromMs } from "@bufbuild/protobuf/wkt";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { ExportFormat } from "../../proto/gen/bartizan/v1/recording_pb.ts";
import { createSignInNotes } from "../../server/access/sign-in-notes.ts";
import { type AuditEvent, auditOutcome } from "../../server/audit.ts";
import { BartizanFault } from "../../server/errors.ts";
import { root as folder } from "../house/sources.ts";
import { createHeldClock } from "../support/held-clock.ts";
import { createMemoryTarget, type MemoryTarget } from "../support/memory-target.ts";
import { dataOf, wholeAuditOf } from "../support/recordings-of.ts";
import { openTestBastion, type TestBastion } from "../support/test-bastion.ts";
import { until } from "../support/until.ts";
import { operate, watch } from "../support/viewing.ts";

async function drained(messages: AsyncIterable<unknown>): Promise<void> {
  for await (const _ of messages);
}

test("docs/audit.md tells every event with its outcome, and no other", () => {
  const page = readFileSync(join(folder, "docs", "audit.md"), "utf8");
  const told = [...page.matchAll(/^\| `([a-z-]+)`\s*\| (ok|asked|refused|failed|unknown)\s*\|/gm)];
  expect(told.map(([, word, outcome]) => `${word} ${outcome}`)).toEqual(
    Object.entries(auditOutcome).map(([word, outcome]) => `${word} ${outcome}`),
  );
});

describe("what happens is noted, with who did it and from where:", () => {
  let memory: MemoryTarget;
  let bastion: TestBastion;
  beforeEach(async () => {
    memory = createMemoryTarget({ echo: true });
    bastion = await openTestBastion({
      ...{ targets: [memory.target], principals: { alice: ["operator"], carol: ["auditor"], root: ["admin"] } },
      dial: (...args) => (refusal === undefined ? memory.dial(...args) : Promise.reject(refusal)),
    });
  });
  let refusal: BartizanFault | undefined;
  afterEach(async () => {
    refusal = undefined;
    await bastion[Symbol.asyncDispose]();
  });

  const clients = (name: string) => bastion.clients(`token-${name}`);
  const noted = (...beginnings: string[]) =>
    wholeAuditOf(dataOf(bastion)).filter(({ event }) => beginnings.some((each) => String(event).startsWith(each)));
  const words = (...beginnings: string[]) => noted(...beginnings).map(({ event, who }) => `${event} ${who}`);
  const shell = async (name = "alice") => {
    const operator = operate(clients(name), "memory");
    const { session, attachmentId } = await operator.started();
    return { operator, session, attachmentId };
  };

  test("a server that starts, drains and stops", async () => {
    await bastion.drain(new AbortController().signal);
    expect(noted("server-", "drain-")).toMatchObject([
      { event: "server-started", version: expect.any(String), config: expect.stringMatching(/^[0-9a-f]{16}$/) },
      { event: "drain-started", sessions: 0, outcome: "asked" },
      { event: "drain-ended", sessions: 0 },
    ]);
  });

  test("who signs in, once for each way in, and who fails to", async () => {
    for (let count = 0; count < 3; count += 1) await clients("alice").access.whoAmI({});
    const code = new URL(bastion.createLink()).hash.replace("#code=", "");
    const { token } = await clients("alice").access.redeemCode({ code });
    await bastion.clients(token).access.whoAmI({});
    await expect(bastion.clients("token-wrong").access.whoAmI({})).rejects.toThrow();
    await expect(clients("alice").access.redeemCode({ code })).rejects.toThrow();
    const by = noted("login-", "link-").map(({ event, who, signedIn, address, cause }) => [
      event,
      who ?? cause,
      signedIn,
      address,
    ]);
    const local = bastion.token === "" ? "" : (by[1]?.[1] as string);
    expect(by).toEqual([
      ["login-ok", "alice", "token", "127.0.0.1"],
      ["link-made", local, "local-token", undefined],
      ["login-ok", local, "link", "127.0.0.1"],
      ["login-failed", "token", undefined, "127.0.0.1"],
      ["login-failed", "link", undefined, "127.0.0.1"],
    ]);
  });

  test("and by which API token, for every line", async () => {
    const wish = { label: "job", lasts: durationFromMs(60_000) };
    const { token, made } = await clients("alice").access.createToken(wish);
    const byToken = bastion.clients(token);
    await byToken.access.whoAmI({});
    const operator = operate(byToken, "memory");
    const { session } = await operator.started();
    await byToken.sessions.kick({ sessionId: session?.id ?? "", reason: "enough" });
    await operator.ended();
    expect(noted("token-created", "login-", "session-requested", "kick-requested")).toMatchObject([
      ...[{ event: "login-ok", who: "alice", signedIn: "token" }, { event: "token-created" }],
      { event: "login-ok", who: "alice", signedIn: "api-token", byToken: made?.id },
      { event: "session-requested", byToken: made?.id },
      { event: "kick-requested", byToken: made?.id },
    ]);
    const found = await clients("carol").audit.searchAudit({ filter: { events: ["kick-requested"] } });
    expect(found.entries[0]?.details.byToken).toBe(made?.id);
  });

  test("a token that is for an action has what that needs, and none is made that can do nothing", async () => {
    const make = (...actions: string[]) =>
      clients("alice").access.createToken({ label: "job", lasts: durationFromMs(60_000), scope: { actions } });
    const { token, made } = await make("open", "list-targets");
    expect(made?.scope?.actions).toEqual(["open", "see-target", "list-targets"]);
    expect((await bastion.clients(token).targets.listTargets({})).targets.map(({ name }) => name)).toEqual(["memory"]);
    expect((await make("watch", "list-sessions")).made?.scope?.actions).toEqual(["watch", "see", "list-sessions"]);
    await expect(make("reattach")).rejects.toThrow("worth nothing without open");
  });

  test("a call that a page of another site made a browser send", async () => {
    const url = `${bastion.url}/bartizan.v1.AccessService/WhoAmI`;
    const headers = { "content-type": "application/json", origin: "https://evil.example" };
    for (let count = 0; count < 3; count += 1)
      expect((await fetch(url, { method: "POST", headers, body: "{}" })).status).toBe(403);
    expect(noted("cross-site-")).toMatchObject([{ address: "127.0.0.1", outcome: "refused" }]);
  });

  test("a session from its request to its end, with those who came, left and came back", async () => {
    const { operator, session, attachmentId } = await shell();
    operator.leave();
    await until(() => words("session-detached").length === 1, "he left");
    await using again = operate(clients("alice"), "", { sessionId: session.id });
    await again.started();
    memory.pty().exit({ kind: "exited", code: 7 });
    await again.ended();
    await until(() => words("session-ended").length === 1, "the end");
    const events = ["requested", "started", "attached", "detached", "resumed", "ended"];
    expect(words("session-")).toEqual(events.map((event) => `session-${event} alice`));
    expect(noted("session-attached", "session-detached")).toMatchObject([
      { session: session.id, target: "memory", attachment: attachmentId, address: "127.0.0.1", signedIn: "token" },
      { session: session.id, target: "memory", attachment: attachmentId },
    ]);
    const recording = expect.stringMatching(/^\w{32}$/);
    expect(noted("session-ended")).toMatchObject([{ session: session.id, cause: "exited 7", recording }]);
  });

  test("a session that is refused, whoever refused it, and why", async () => {
    const refused = async (name: string, target: string) => {
      await using operator = operate(clients(name), target);
      await operator.over.catch(() => {});
    };
    await refused("alice", "nowhere");
    refusal = new BartizanFault("host-key-changed", "The host key changed: somebody may be in between.");
    await refused("alice", "memory");
    refusal = new BartizanFault("target-address", "It leads to loopback.");
    await refused("alice", "memory");
    await refused("carol", "memory");
    expect(
      noted("session-", "host-key-", "address-", "call-").map(({ event, who, target, cause }) => [
        event,
        who,
        target,
        cause,
      ]),
    ).toEqual([
      ["session-refused", "alice", "nowhere", "not-found"],
      ["session-requested", "alice", "memory", undefined],
      ["host-key-changed", "alice", "memory", "The host key changed: somebody may be in between."],
      ["session-refused", "alice", "memory", "host-key-changed"],
      ["session-requested", "alice", "memory", undefined],
      ["address-refused", "alice", "memory", "It leads to loopback."],
      ["session-refused", "alice", "memory", "target-address"],
      ["call-refused", "carol", undefined, "forbidden"],
    ]);
  });

  test("who watches and when he leaves; who kicks, why, and what came of it", async () => {
    const { operator, session } = await shell();
    const watcher = watch(clients("carol"), session.id);
    await watcher.started();
    watcher.leave();
    await until(() => words("watch-stopped").length === 1, "he left");
    const kick = { sessionId: session.id, reason: "lunch" };
    await expect(clients("carol").sessions.kick(kick)).rejects.toThrow();
    await clients("root").sessions.kick(kick);
    await operator.ended();
    expect(words("watch-", "kick-", "call-", "session-ended")).toEqual([
      ...["watch-started carol", "watch-stopped carol", "call-refused carol", "kick-requested root"],
      ...["session-ended alice", "kick-confirmed root"],
    ]);
    expect(noted("kick-requested", "session-ended")).toMatchObject([
      { reason: "lunch", session: session.id, target: "memory", outcome: "asked" },
      { cause: "kicked by root: lunch" },
    ]);
  });

  test("A28: each watch, replay, export, check, search and removal is one event with the viewer", async () => {
    const { operator, session } = await shell();
    await using watcher = watch(clients("carol"), session.id);
    await watcher.started();
    memory.pty().exit({ kind: "exited", code: 0 });
    await Promise.all([operator.ended(), watcher.ended()]);
    const { recordings, commands, audit } = clients("carol");
    const [found] = (await recordings.listRecordings({})).recordings;
    const id = found?.id ?? "";
    await until(() => bastion.catalogue.find(id)?.state === "sealed", "it is sealed");
    await drained(recordings.replay({ id }));
    await drained(recordings.exportRecording({ id, format: ExportFormat.ASCIICAST_V3 }));
    await drained(recordings.verifyRecordings({ id }));
    await commands.searchCommands({ text: "rm" });
    await audit.searchAudit({});
    await expect(recordings.deleteRecording({ id, reason: "no" })).rejects.toThrow();
    await clients("root").recordings.deleteRecording({ id, reason: "asked for" });
    const looks = ["watch-", "recording-viewed", "recording-exported", "recording-verified", "recording-deleted"];
    expect(words(...looks, "commands-", "audit-", "call-")).toEqual([
      ...["watch-started carol", "watch-stopped carol", "recording-viewed carol", "recording-exported carol"],
      ...["recording-verified carol", "commands-searched carol", "audit-searched carol", "call-refused carol"],
      "recording-deleted root",
    ]);
    for (const line of noted(...looks))
      expect(line).toMatchObject({ session: session.id, target: "memory", address: "127.0.0.1" });
    // The tombstone stays when the file is gone.
    const [sealed] = noted("recording-sealed");
    expect(noted("recording-deleted")).toMatchObject([{ recording: id, reason: "asked for", seal: sealed?.seal }]);
  });

  test("tokens and logins, with how he who made or allowed them signed in", async () => {
    const { access } = clients("alice");
    const { made } = await access.createToken({ label: "ci", lasts: { seconds: 60n } });
    await access.revokeToken({ id: made?.id ?? "" });
    await access.answerLogin({ code: (await access.beginLogin({})).code, allow: true });
    await access.answerLogin({ code: (await access.beginLogin({})).code, allow: false });
    // A token of the config goes on: the log says of no end.
    expect(await access.logout({})).toMatchObject({ ended: false });
    const about = noted("token-", "device-code-approved", "device-code-denied", "logout");
    expect(about.map(({ event }) => event)).toEqual([
      ...["token-created", "token-revoked", "device-code-approved", "device-code-denied"],
    ]);
    const page = await access.redeemCode({ code: bastion.createLink().split("#code=")[1] ?? "" });
    expect(await bastion.clients(page.token).access.logout({})).toMatchObject({ ended: true });
    expect(noted("logout")).toMatchObject([{ who: page.name, signedIn: "link", address: "127.0.0.1" }]);
    for (const line of about) expect(line).toMatchObject({ who: "alice", address: "127.0.0.1", signedIn: "token" });
  });

  test("nobody gets a token or is let in while the log cannot be written, and may still deny and revoke", async () => {
    const { access } = clients("alice");
    const { made } = await access.createToken({ label: "ci", lasts: { seconds: 60n } });
    const [first, second] = [await access.beginLogin({}), await access.beginLogin({})];
    const [, code = ""] = bastion.createLink().split("#code=");
    writeFileSync(join(dataOf(bastion), "audit.jsonl"), "somebody else\n", { flag: "a" });
    await expect(access.createToken({ label: "ci", lasts: { seconds: 60n } })).rejects.toThrow("audit log");
    await expect(access.answerLogin({ code: first.code, allow: true })).rejects.toThrow("audit log");
    await expect(access.redeemCode({ code })).rejects.toThrow("audit log");
    expect((await access.listTokens({})).tokens.map(({ id }) => id)).toEqual([made?.id]);
    await access.answerLogin({ code: second.code, allow: false });
    await access.revokeToken({ id: made?.id ?? "" });
    expect((await access.listTokens({})).tokens).toEqual([]);
  });

  test("nothing is dialled, watched or shown while the log cannot be written", async () => {
    const { operator, session } = await shell();
    const path = join(dataOf(bastion), "audit.jsonl");
    writeFileSync(path, "somebody else\n", { flag: "a" });
    await using other = operate(clients("alice"), "memory");
    await expect(other.over).rejects.toThrow("audit log");
    await using watcher = watch(clients("carol"), session.id);
    await expect(watcher.over).rejects.toThrow("audit log");
    expect(bastion.registry.list().map(({ id, attachments }) => [id, attachments.length])).toEqual([[session.id, 1]]);
    // But it holds no kick up.
    await clients("root").sessions.kick({ sessionId: session.id, reason: "x" });
    await operator.ended();
  });
});

function notedIn(noted: AuditEvent[]) {
  return { note: (event: AuditEvent) => void noted.push(event), write: (event: AuditEvent) => void noted.push(event) };
}

describe("failures to sign in", () => {
  test("are one line a minute for each address and cause, and the next one says how many there were", () => {
    const clock = createHeldClock();
    const noted: AuditEvent[] = [];
    const notes = createSignInNotes(notedIn(noted), clock);
    for (let count = 0; count < 500; count += 1) notes.failed("10.0.0.1", "token");
    notes.failed("10.0.0.2", "token");
    notes.throttled("10.0.0.1", "token");
    clock.pass(60_000);
    notes.failed("10.0.0.1", "token");
    expect(noted).toMatchObject([
      { event: "login-failed", address: "10.0.0.1" },
      { event: "login-failed", address: "10.0.0.2" },
      { event: "login-throttled", address: "10.0.0.1" },
      { event: "login-failed", address: "10.0.0.1", times: 500 },
    ]);
  });

  test("from very many addresses are counted together", () => {
    const noted: AuditEvent[] = [];
    const notes = createSignInNotes(notedIn(noted), createHeldClock());
    for (let count = 0; count < 100_000; count += 1) notes.failed(`10.0.${count >> 8}.${count & 255}`, "token");
    expect(noted.length).toBe(201);
    expect(noted.at(-1)).toMatchObject({ address: "many" });
  });
});
