import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { faultOf, KickOutcome, SessionState } from "../../proto/client/index.ts";
import { createMemoryTarget, type MemoryTarget } from "../support/memory-target.ts";
import { carriers, openTestBastion, type TestBastion } from "../support/test-bastion.ts";
import { until } from "../support/until.ts";
import { operate, watch } from "../support/viewing.ts";

describe.each(carriers)("over %s", (over) => {
  let memory: MemoryTarget;
  let bastion: TestBastion;
  beforeEach(async () => {
    memory = createMemoryTarget({ echo: true });
    bastion = await openTestBastion({
      over,
      targets: [memory.target],
      dial: memory.dial,
      principals: { alice: ["operator"], carol: ["auditor"], root: ["admin"] },
    });
  });
  afterEach(() => bastion[Symbol.asyncDispose]());

  const alice = () => bastion.clients("token-alice");
  const carol = () => bastion.clients("token-carol");
  const root = () => bastion.clients("token-root");

  async function opened() {
    const operator = operate(alice(), "memory");
    const { session, attachmentId } = await operator.started();
    return { operator, id: session.id, attachmentId };
  }

  describe("a watcher", () => {
    it("begins with the state and the screen of this moment, then sees what the operator sees", async () => {
      const { operator, id } = await opened();
      await operator.type("before");
      await operator.shows("before");
      await using watcher = watch(carol(), id);
      const started = await watcher.started();
      expect(started.session).toMatchObject({ target: "memory", size: { cols: 80, rows: 24 } });
      expect(started.session.operator?.name).toBe("alice");
      await watcher.shows("before");
      const frame = watcher.events.find((event) => event.kind === "key-frame");
      expect(frame).toMatchObject({ offset: 6, skippedBytes: 0, approximate: false });
      await operator.type(" after");
      await watcher.shows(" after");
      memory.pty().exit({ kind: "exited", code: 0 });
      expect((await watcher.ended()).cause).toEqual({ kind: "exited", code: 0 });
      await operator.ended();
    });

    it("who names a position that is still held gets the bytes after it and no key frame", async () => {
      const { operator, id } = await opened();
      await operator.type("0123456789");
      await operator.shows("0123456789");
      const { session } = await operator.started();
      const seen: string[] = [];
      const leaving = new AbortController();
      for await (const { event } of carol().sessions.watch(
        { sessionId: id, from: { epoch: session.epoch, offset: 4n } },
        { signal: leaving.signal },
      )) {
        seen.push(event.case === "output" ? Buffer.from(event.value.data).toString() : String(event.case));
        if (event.case === "state") expect(event.value.keyFrame).toBeUndefined();
        if (event.case === "output") break;
      }
      leaving.abort();
      expect(seen).toEqual(["state", "456789"]);
      operator.shell.hangUp();
      await operator.ended();
    });

    it("is announced to the operator, and so is his leaving", async () => {
      const { operator, id } = await opened();
      const watcher = watch(carol(), id);
      await watcher.started();
      const seen = (kind: string) => operator.events.some((e) => e.kind === kind && "name" in e && e.name === "carol");
      await until(() => seen("joined"), "the operator was told");
      await watcher[Symbol.asyncDispose]();
      await until(() => seen("left"), "the operator was told");
      operator.shell.hangUp();
      await operator.ended();
    });

    it("who never reads slows nobody, and is shown the present when he reads again", async () => {
      const { operator, id } = await opened();
      const leaving = new AbortController();
      const reading = carol().sessions.watch({ sessionId: id }, { signal: leaving.signal })[Symbol.asyncIterator]();
      await reading.next();
      const pty = memory.pty();
      const line = Buffer.from(`${"x".repeat(78)}\r\n`.repeat(400));
      const lines = 300;
      for (let step = 0; step < lines; step += 1) await pty.print(line);
      await pty.print("the present\r\n");
      await operator.shows("the present");
      expect(operator.bytes().length).toBe(lines * line.length + 13);
      let skipped = 0n;
      let text = "";
      while (!text.includes("the present")) {
        const { value } = await reading.next();
        if (value?.event.case === "keyFrame") {
          skipped += value.event.value.skippedBytes;
          text = Buffer.from(value.event.value.data).toString();
        } else if (value?.event.case === "output") text += Buffer.from(value.event.value.data).toString();
      }
      expect(skipped).toBeGreaterThan(0n);
      leaving.abort();
      operator.shell.hangUp();
      await operator.ended();
    });
  });

  describe("a kick", () => {
    it("ends the shell, tells everybody by whom and why, and answers when the channel is closed", async () => {
      const { operator, id } = await opened();
      await using one = watch(carol(), id);
      await using two = watch(root(), id);
      await Promise.all([one.started(), two.started()]);
      const answer = await root().sessions.kick({ sessionId: id, reason: "maintenance" });
      expect(answer).toMatchObject({ outcome: KickOutcome.ENDED, watchersTold: 2 });
      expect(answer.tookMs).toBeGreaterThan(0);
      expect(memory.pty().hungUp()).toBe(true);
      const cause = { kind: "kicked", by: "root", reason: "maintenance" };
      for (const viewing of [operator, one, two]) expect((await viewing.ended()).cause).toEqual(cause);
      expect(await operator.type("too late")).toBe(false);
      expect(memory.pty().typed().toString()).not.toContain("too late");
    });

    it("does not wait behind a flood that nobody reads", async () => {
      const { operator, id } = await opened();
      await operator[Symbol.asyncDispose]();
      await using stuck = operate(alice(), "memory", { sessionId: id, acknowledge: false });
      await stuck.started();
      const pty = memory.pty();
      void (async () => {
        for (let step = 0; step < 64 && !pty.hungUp(); step += 1) await pty.print(new Uint8Array(32 * 1024).fill(0x61));
      })();
      await until(() => stuck.bytes().length >= 256 * 1024, "the flood is on");
      const answer = await root().sessions.kick({ sessionId: id, reason: "enough" });
      expect(answer.outcome).toBe(KickOutcome.ENDED);
      expect((await stuck.ended()).cause).toMatchObject({ kind: "kicked", reason: "enough" });
    });

    it("repeated with its id gets the same answer; without, that it had ended", async () => {
      const { operator, id } = await opened();
      const kick = { sessionId: id, reason: "once", idempotencyId: "k1" };
      const first = await root().sessions.kick(kick);
      expect(await root().sessions.kick(kick)).toEqual(first);
      const again = await root().sessions.kick({ sessionId: id, reason: "twice" });
      expect(again.outcome).toBe(KickOutcome.ALREADY_ENDED);
      expect(again.ended?.cause).toMatchObject({ case: "kicked", value: { reason: "once" } });
      const other = await root()
        .sessions.kick({ ...kick, reason: "something else" })
        .catch(faultOf);
      expect(other).toMatchObject({ word: "invalid" });
      await operator.ended();
    });

    it("by two at once ends it once", async () => {
      const { operator, id } = await opened();
      const answers = await Promise.all(["a", "b"].map((reason) => root().sessions.kick({ sessionId: id, reason })));
      expect(answers.map(({ outcome }) => outcome).toSorted()).toEqual([KickOutcome.ENDED, KickOutcome.ALREADY_ENDED]);
      await operator.ended();
    });

    it("of one watcher leaves the shell and the others alone", async () => {
      const { operator, id } = await opened();
      await using watcher = watch(carol(), id);
      const { attachmentId } = await watcher.started();
      const answer = await root().sessions.kick({ sessionId: id, attachmentId, reason: "not you" });
      expect(answer).toMatchObject({ outcome: KickOutcome.ENDED, watchersTold: 1 });
      expect((await watcher.ended()).cause).toEqual({ kind: "kicked", by: "root", reason: "not you" });
      await operator.type("still here");
      await operator.shows("still here");
      const gone = await root().sessions.kick({ sessionId: id, attachmentId, reason: "again" }).catch(faultOf);
      expect(gone).toMatchObject({ word: "not-found" });
      operator.shell.hangUp();
      await operator.ended();
    });

    it("needs a reason, the right, and a session", async () => {
      const { operator, id } = await opened();
      expect(await root().sessions.kick({ sessionId: id, reason: " " }).catch(faultOf)).toMatchObject({
        word: "invalid",
      });
      expect(await carol().sessions.kick({ sessionId: id, reason: "x" }).catch(faultOf)).toMatchObject({
        word: "forbidden",
      });
      expect(await root().sessions.kick({ sessionId: "no", reason: "x" }).catch(faultOf)).toMatchObject({
        word: "not-found",
      });
      operator.shell.hangUp();
      await operator.ended();
    });

    it("has its reason shown without control characters", async () => {
      const { operator, id } = await opened();
      await root().sessions.kick({ sessionId: id, reason: "a\u001b]0;b\u0007c" });
      expect((await operator.ended()).cause).toMatchObject({ reason: "a\\u001b]0;b\\u0007c" });
    });
  });

  const stateNames = new Map<number, string>(
    Object.entries(SessionState).map(([name, value]) => [value as number, name]),
  );

  describe("the live list", () => {
    it("begins with all sessions, tells each change, and the end once", async () => {
      const states: string[] = [];
      const leaving = new AbortController();
      const following = (async () => {
        for await (const { event } of root().sessions.watchSessions({}, { signal: leaving.signal })) {
          if (event.case === "snapshot") states.push(`snapshot ${event.value.sessions.length}`);
          else if (event.case === "changed")
            states.push(`${stateNames.get(event.value.state)} ${event.value.attachments.length}`);
        }
      })().catch(() => {});
      await until(() => states.length === 1, "the snapshot");
      const { operator } = await opened();
      await until(() => states.includes("ATTACHED 1"), "the new session");
      operator.shell.hangUp();
      await operator.ended();
      await until(() => states.at(-1)?.startsWith("ENDED"), "its end");
      leaving.abort();
      await following;
      expect(states[0]).toBe("snapshot 0");
      expect(states.filter((state) => state.startsWith("ENDED"))).toHaveLength(1);
    });
  });

  describe("a node that stops", () => {
    it("refuses new shells, tells everybody, waits for its limit, then ends the rest with the cause", async () => {
      const { operator } = await opened();
      const limit = new AbortController();
      expect((await fetch(`${bastion.url}/readyz`)).status).toBe(200);
      const draining = bastion.drain(limit.signal);
      await until(() => operator.events.some((e) => e.kind === "notice" && e.about === "draining"), "the notice");
      expect((await fetch(`${bastion.url}/readyz`)).status).toBe(503);
      const newcomer = bastion.clients("token-alice");
      await using late = operate(newcomer, "memory");
      expect(faultOf(await late.over.catch((reason) => reason))).toMatchObject({ word: "draining" });
      expect((await newcomer.sessions.listSessions({})).sessions).toHaveLength(1);
      limit.abort();
      await draining;
      const closing = bastion.registry[Symbol.asyncDispose]();
      expect((await operator.ended()).cause).toEqual({ kind: "closed", why: "draining" });
      await closing;
    });
  });
});
