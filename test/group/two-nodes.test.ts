/** Two nodes as processes, a real Redis between them, a real sshd behind them: what people see and are told. */
import type { Browser } from "playwright-core";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { KickOutcome } from "../../proto/client/index.ts";
import { cliInPipe, cliInPty } from "../cli/cli-in-pty.ts";
import { openBrowser } from "../support/browser.ts";
import { shows } from "../support/page-parts.ts";
import { openRedis, type RedisServer } from "../support/redis.ts";
import { createServedGroup, type ServedGroup, type ServedNode } from "../support/served-node.ts";
import { openSshd, type Sshd } from "../support/sshd.ts";
import { until } from "../support/until.ts";
import { operate, watch } from "../support/viewing.ts";

let browser: Browser & AsyncDisposable;
let sshd: Sshd;
let redis: RedisServer;
let group: ServedGroup;
let one: ServedNode;
let two: ServedNode;

beforeAll(async () => {
  [browser, sshd] = await Promise.all([openBrowser(), openSshd()]);
});
afterAll(async () => {
  await browser[Symbol.asyncDispose]();
  await sshd[Symbol.asyncDispose]();
});
beforeEach(async () => {
  redis = await openRedis();
  group = createServedGroup(sshd, `{ url: "${redis.url}" }`);
  [one, two] = await Promise.all([group.open("one"), group.open("two")]);
});
afterEach(async () => {
  await group[Symbol.asyncDispose]();
  await redis[Symbol.asyncDispose]();
});

const plainShell = "PS1='$ '; stty -echo; echo READ''Y\n";
const envOf = (node: ServedNode, who: string) => ({ url: node.url, token: `token-${who}`, folder: node.folder });

async function openedOn(node: ServedNode) {
  const operator = operate(node.clients("alice"), "box");
  const { session } = await operator.started();
  await operator.type(plainShell);
  await operator.shows("READY\r\n");
  return { operator, id: session.id };
}

async function sessionsOn(node: ServedNode) {
  return (await node.clients("boss").sessions.listSessions({})).sessions;
}

const listed = (node: ServedNode, id: string) =>
  until(async () => (await sessionsOn(node)).some((session) => session.id === id), `${node.name} lists it`);

describe("a shell on one node", () => {
  test("is listed, watched from command line and page, and kicked on the other", async () => {
    const { operator, id } = await openedOn(one);
    await using _operator = operator;
    await listed(two, id);
    await operator.type("echo $((40 + 2)) bottles\n");
    await operator.shows("42 bottles");
    await using cli = cliInPty(["watch", id], envOf(two, "carol"));
    await cli.shows("42 bottles");
    const context = await browser.newContext({ locale: "en-GB" });
    try {
      const page = await context.newPage();
      await page.goto((await two.clients("carol").access.createLink({})).url);
      await page.getByRole("link", { name: "Sessions" }).waitFor();
      await page.evaluate((path) => history.pushState(null, "", path), `/watch/${id}`);
      await page.reload();
      await page.getByTestId("live").waitFor();
      await shows(page, "42 bottles");
      await operator.type("echo $((50 + 5)) more\n");
      await shows(page, "55 more");
      await cli.shows("55 more");
      const names = (await sessionsOn(one))[0]?.attachments.map(({ principal }) => principal?.name);
      expect(names?.filter((name) => name === "carol")).toHaveLength(2);
      const kick = await cliInPipe(["kick", id, "--reason", "freeze"], envOf(two, "boss"));
      expect(kick).toMatchObject({ code: 0 });
      expect(kick.stdout).toContain("2 watchers were told");
      await page.getByTestId("over").waitFor();
      expect(await page.getByTestId("over").textContent()).toContain("kicked by boss: freeze");
    } finally {
      await context.close();
    }
    expect((await cli.over()).code).toBe(254);
    expect((await operator.ended()).cause).toMatchObject({ kind: "kicked", by: "boss", reason: "freeze" });
    await until(async () => (await sessionsOn(two)).length === 0, "it is off the list");
    const again = await two.clients("boss").sessions.kick({ sessionId: id, reason: "late" });
    expect(again.outcome).toBe(KickOutcome.ALREADY_ENDED);
  });

  test("is taken up again through the other: the command line goes where it is", async () => {
    const { operator, id } = await openedOn(one);
    await listed(two, id);
    await operator[Symbol.asyncDispose]();
    await using cli = cliInPty(["shell", "--session", id], envOf(two, "alice"));
    await cli.shows("READY");
    cli.type("echo $((60 + 6)) here; exit 4\r");
    await cli.shows("66 here");
    expect((await cli.over()).code).toBe(4);
  });
});

describe("a node that is killed", () => {
  test("is flagged within four seconds, and its sessions end when it starts again", async () => {
    const { operator, id } = await openedOn(one);
    operator.over.catch(() => {});
    await listed(two, id);
    await using watcher = watch(two.clients("carol"), id);
    await watcher.shows("READY");
    await using cli = cliInPty(["sessions", "--follow"], envOf(two, "boss"), 200);
    await cli.shows("alice");
    const killedAtMs = performance.now();
    await one.kill();
    await until(
      () => watcher.events.some((event) => event.kind === "reach" && event.reach === "unreachable"),
      "the watcher is told",
    );
    await until(async () => (await sessionsOn(two))[0]?.unreachable, "the list says so");
    expect(performance.now() - killedAtMs).toBeLessThan(4000);
    await cli.shows("node not heard");
    const answer = await two.clients("boss").sessions.kick({ sessionId: id, reason: "gone?", idempotencyId: "k" });
    expect(answer).toMatchObject({ outcome: KickOutcome.UNREACHABLE, orderLeft: true });
    expect((await sessionsOn(two)).map(({ unreachable }) => unreachable)).toEqual([true]);
    await one.start();
    expect((await watcher.ended()).cause).toMatchObject({ kind: "lost", reason: "its node stopped" });
    await until(async () => (await sessionsOn(two)).length === 0, "it is off the list");
    const known = await two.clients("boss").sessions.kick({ sessionId: id, reason: "gone?", idempotencyId: "k" });
    expect(known.outcome).toBe(KickOutcome.ALREADY_ENDED);
  });
});

describe("a node that hangs", () => {
  test("is flagged, keeps its shell, and finds the order that was left for it", async () => {
    const { operator, id } = await openedOn(one);
    await using _operator = operator;
    await listed(two, id);
    await using watcher = watch(two.clients("carol"), id);
    await watcher.shows("READY");
    one.signal("SIGSTOP");
    try {
      await until(
        () => watcher.events.some((event) => event.kind === "reach" && event.reach === "unreachable"),
        "the watcher is told",
      );
      const kick = await cliInPipe(["kick", id, "--reason", "freeze"], envOf(two, "boss"));
      expect(kick).toMatchObject({ code: 4 });
      expect(kick.stdout).toContain("The order waits where its node finds it by itself");
    } finally {
      one.signal("SIGCONT");
    }
    const backAtMs = performance.now();
    expect((await watcher.ended()).cause).toMatchObject({ kind: "kicked", reason: "freeze" });
    expect(performance.now() - backAtMs).toBeLessThan(5000);
    expect((await operator.ended()).cause).toMatchObject({ kind: "kicked", reason: "freeze" });
  });
});
