import { appendFileSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError } from "@connectrpc/connect";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type AuditEntry, AuditOutcome } from "../../proto/gen/bartizan/v1/audit_pb.ts";
import { openAuditIndex } from "../../server/audit/audit-index.ts";
import type { AuditQuery } from "../../server/audit/audit-query.ts";
import { type AuditLog, openAudit } from "../../server/audit/open-audit.ts";
import type { SessionId } from "../../server/events.ts";
import { systemClock } from "../../server/flow/clock.ts";
import { createLog } from "../../server/log.ts";
import { openSealKey } from "../../server/recording/seal-key.ts";
import { dataOf, wholeAuditOf } from "../support/recordings-of.ts";
import { carriers, openTestBastion, type TestBastion } from "../support/test-bastion.ts";
import { until } from "../support/until.ts";

const log = createLog("silent");
const { signal } = new AbortController();

describe.each(carriers)("the audit service over %s", (over) => {
  let bastion: TestBastion;
  beforeEach(async () => {
    const principals = { alice: ["operator"], carol: ["auditor"], root: ["admin"] } as const;
    bastion = await openTestBastion({ over, principals });
  });
  afterEach(() => bastion[Symbol.asyncDispose]());
  const audit = (name: string) => bastion.clients(`token-${name}`).audit;

  test("answers auditors and admins, and nobody else", async () => {
    for (const name of ["carol", "root"]) expect((await audit(name).searchAudit({})).entries.length).toBeGreaterThan(0);
    for (const call of [
      () => audit("alice").searchAudit({}),
      () => audit("alice").followAudit({})[Symbol.asyncIterator]().next(),
    ])
      expect(ConnectError.from(await call().catch((error) => error)).code).toBe(Code.PermissionDenied);
  });

  test("gives each line as it stands in the file, with all that it says, page by page", async () => {
    for (let count = 0; count < 5; count += 1) await audit("carol").searchAudit({ filter: { target: `web${count}` } });
    const pages: AuditEntry[][] = [];
    let pageToken = "";
    do {
      const page = await audit("carol").searchAudit({ pageSize: 3, pageToken });
      pages.push(page.entries);
      pageToken = page.nextPageToken;
    } while (pageToken !== "");
    const file = readFileSync(join(dataOf(bastion), "audit.jsonl"), "utf8")
      .trimEnd()
      .split("\n");
    expect(pages.flat().map(({ line }) => line)).toEqual(file.toReversed());
    const [searched] = (await audit("carol").searchAudit({ filter: { events: ["audit-searched"] } })).entries;
    expect(searched).toMatchObject({
      ...{ event: "audit-searched", outcome: AuditOutcome.OK, principal: "carol", node: "test", signedIn: "token" },
      ...{ source: "127.0.0.1", cause: "events audit-searched" },
    });
    expect(Number(searched?.at?.seconds)).toBeGreaterThan(1_700_000_000);
  });

  test("notes that somebody looks, once a minute for the same look", async () => {
    for (let count = 0; count < 3; count += 1) await audit("carol").searchAudit({ pageSize: 1 });
    await audit("root").searchAudit({ pageSize: 1 });
    const noted = wholeAuditOf(dataOf(bastion)).filter(({ event }) => event === "audit-searched");
    expect(noted.map(({ who }) => who)).toEqual(["carol", "root"]);
  });

  test("tells those who follow what was there, and then everything that comes, and ends when they leave", async () => {
    const life = new AbortController();
    const seen: string[] = [];
    const request = { filter: { events: ["audit-"] }, last: 1 };
    await audit("root").searchAudit({});
    const following = (async () => {
      for await (const { entry } of audit("carol").followAudit(request, { signal: life.signal }))
        if (entry !== undefined) seen.push(`${entry.event} ${entry.principal}`);
    })().catch((error) => ConnectError.from(error).code);
    await until(() => seen.length > 0, "the first entry");
    for (let count = 0; count < 3; count += 1) await audit("root").searchAudit({ filter: { target: `web${count}` } });
    await until(() => seen.length === 4, "the rest");
    expect(seen).toEqual(["audit-followed carol", ...Array.from({ length: 3 }, () => "audit-searched root")]);
    life.abort();
    expect(await following).toBe(Code.Canceled);
  });

  test("refuses what nobody could mean", async () => {
    for (const request of [
      { pageSize: 501 },
      { pageToken: "n1" },
      { filter: { events: Array.from({ length: 21 }, () => "x") } },
      { filter: { principal: "x".repeat(201) } },
      { filter: { outcome: 99 as AuditOutcome } },
    ])
      await expect(audit("root").searchAudit(request)).rejects.toMatchObject({ code: Code.InvalidArgument });
    expect((await audit("root").searchAudit({ filter: { from: timestampFromMs(9e15) } })).entries).toEqual([]);
  });
});

describe("the index of the audit log", () => {
  let bastion: TestBastion;
  let audit: AuditLog;
  let folder: string;
  beforeEach(async () => {
    bastion = await openTestBastion();
    folder = bastion.folder;
    audit = openAudit({
      ...{ path: join(folder, "audit.jsonl"), clock: systemClock, log, node: "n1" },
      signer: openSealKey(folder),
    });
  });
  afterEach(async () => {
    await audit[Symbol.asyncDispose]();
    await bastion[Symbol.asyncDispose]();
  });
  const open = () => openAuditIndex({ path: join(folder, "audit.db"), audit, clock: systemClock, log });
  const find = async (filter: AuditQuery["filter"], more: Partial<AuditQuery> = {}) => {
    await using index = open();
    const { lines } = await index.search({ filter, limit: 100, ...more }, signal);
    return lines.map((line) => JSON.parse(line).n as number);
  };
  const kick = (name: string, target: string, session: string) =>
    audit.write({
      ...{ event: "kick-requested", actor: { name, address: "::1" }, target, reason: "x" },
      session: session as SessionId,
    });

  test("finds by each part, and by all of them together", async () => {
    kick("alice", "web1", "n1-a");
    kick("bob", "web1", "n1-b");
    kick("bob", "web2", "n1-c");
    audit.write({ event: "kick-confirmed", actor: { name: "bob" }, target: "web2", session: "n1-c" as SessionId });
    expect(await find({})).toEqual([6, 5, 4, 3, 2, 1]);
    expect(await find({ who: "bob" })).toEqual([6, 5, 4]);
    expect(await find({ target: "web1" })).toEqual([4, 3]);
    expect(await find({ session: "n1-c" })).toEqual([6, 5]);
    expect(await find({ events: ["kick-"] })).toEqual([6, 5, 4, 3]);
    expect(await find({ events: ["kick-confirmed", "log-opened"] })).toEqual([6, 1]);
    expect(await find({ outcome: "asked", who: "bob", target: "web2" })).toEqual([5]);
    expect(await find({ events: ["kick-"] }, { before: 5 })).toEqual([4, 3]);
    expect(await find({ events: ["kick-"] }, { after: 3, limit: 2 })).toEqual([4, 5]);
    expect(await find({ untilMs: 1000 })).toEqual([]);
    expect(await find({ who: "' OR 1=1 --" })).toEqual([]);
  });

  test("is made anew from the file when it is lost, damaged, or of another log", async () => {
    kick("alice", "web1", "n1-a");
    expect(await find({ who: "alice" })).toEqual([3]);
    rmSync(join(folder, "audit.db"));
    expect(await find({ who: "alice" })).toEqual([3]);
    writeFileSync(join(folder, "audit.db"), "this is no database, and longer than a header of one would be".repeat(99));
    expect(await find({ who: "alice" })).toEqual([3]);
    const path = join(folder, "audit.jsonl");
    const text = readFileSync(path, "utf8").replace('"alice"', '"mirja"');
    writeFileSync(path, text);
    expect(await find({ who: "alice" })).toEqual([]);
    expect(await find({ who: "mirja" })).toEqual([3]);
  });

  test("knows nothing of a line that is not whole yet", async () => {
    expect(await find({})).toEqual([2, 1]);
    appendFileSync(join(folder, "audit.jsonl"), '{"n":3');
    expect(await find({})).toEqual([2, 1]);
  });
});
