import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { SessionInfo } from "../../proto/client/index.ts";
import { ExportFormat, MarkerKind } from "../../proto/gen/bartizan/v1/recording_pb.ts";
import { createMemoryTarget } from "../support/memory-target.ts";
import { carriers, openTestBastion, type TestBastion } from "../support/test-bastion.ts";
import { until } from "../support/until.ts";
import { operate, type Viewing, watch } from "../support/viewing.ts";

const principals = { alice: ["operator"], carol: ["auditor"], root: ["admin"] } as const;

const names = ({ attachments }: SessionInfo) => attachments.map(({ principal }) => principal?.name);
const joined = ({ events }: Viewing) => events.flatMap((each) => (each.kind === "joined" ? [each.name] : []));
const left = ({ events }: Viewing) => events.flatMap((each) => (each.kind === "left" ? [each.name] : []));

describe.each(carriers)("over %s", (over) => {
  const memory = createMemoryTarget({ echo: true });
  let bastion: TestBastion;
  const open = async (visible: boolean) => {
    const options = { over, principals, targets: [memory.target], dial: memory.dial };
    bastion = await openTestBastion({ ...options, config: { watching: { visible } } });
  };
  const as = (name: string) => bastion.clients(`token-${name}`);
  afterEach(() => bastion[Symbol.asyncDispose]());

  describe("where the config hides watchers from operators", () => {
    beforeEach(() => open(false));

    it("an operator is told of none, neither in his shell nor in any list, and an auditor of all", async () => {
      const operator = operate(as("alice"), "memory");
      const { session } = await operator.started();
      const news: SessionInfo[] = [];
      const leaving = new AbortController();
      const following = (async () => {
        for await (const { event } of as("alice").sessions.watchSessions({}, { signal: leaving.signal })) {
          if (event.case === "snapshot") news.push(...event.value.sessions);
          else if (event.case === "changed") news.push(event.value);
        }
      })().catch(() => {});
      await until(() => news.length === 1, "the operator's own list");

      await using auditor = watch(as("carol"), session.id);
      await auditor.started();
      await using admin = watch(as("root"), session.id);
      expect(names((await admin.started()).session)).toEqual(["alice", "carol", "root"]);
      await until(() => joined(auditor).includes("root"), "one watcher is told of the other");
      const listOf = async (name: string) => (await as(name).sessions.listSessions({})).sessions.map(names);
      expect(await listOf("alice")).toEqual([["alice"]]);
      expect(await listOf("carol")).toEqual([["alice", "carol", "root"]]);
      await admin[Symbol.asyncDispose]();
      await until(() => left(auditor).includes("root"), "and of his leaving");

      // Had anything been told of them, it would have come before this.
      await operator.type("typed later");
      await operator.shows("typed later");
      await until(() => news.at(-1)?.outputBytes === 11n, "the list goes on");
      expect([...joined(operator), ...left(operator)]).toEqual([]);
      expect(news.map(names)).toEqual([["alice"], ["alice"]]);
      leaving.abort();
      await following;
      operator.shell.hangUp();
      await operator.ended();
    });

    it("he knows himself when he watches his own, and is not told how many others a kick of his reached", async () => {
      const operator = operate(as("alice"), "memory");
      const { session } = await operator.started();
      await using own = watch(as("alice"), session.id);
      await using hidden = watch(as("carol"), session.id);
      await Promise.all([own.started(), hidden.started()]);
      await until(() => joined(operator).includes("alice"), "he is told of himself");
      expect(names((await as("alice").sessions.listSessions({})).sessions[0] ?? ({} as SessionInfo))).toEqual([
        "alice",
        "alice",
      ]);
      const { watchersTold } = await as("alice").sessions.kick({ sessionId: session.id, reason: "done" });
      expect(watchersTold).toBe(0);
      await Promise.all([operator.ended(), own.ended(), hidden.ended()]);
      expect(joined(operator)).toEqual(["alice"]);
    });

    it("nothing of it comes to light when he takes his shell up again from where he was", async () => {
      const operator = operate(as("alice"), "memory");
      const { session } = await operator.started();
      await operator[Symbol.asyncDispose]();
      await using hidden = watch(as("carol"), session.id);
      await hidden.started();
      const again = operate(as("alice"), "memory", { sessionId: session.id });
      expect(names((await again.started()).session)).toEqual(["alice"]);
      await again.type("x");
      await again.shows("x");
      expect(joined(again)).toEqual([]);
      again.shell.hangUp();
      await again.ended();
    });
  });

  describe("in recordings", () => {
    const lookedAt = async (name: string, id: string) => {
      const { recordings } = as(name);
      const told: string[] = [];
      for await (const { event } of recordings.replay({ id }))
        if (event.case === "joined" || event.case === "left")
          told.push(`${event.case} ${event.value.attachment?.principal?.name}`);
      const { markers } = await recordings.getRecording({ id });
      return { told, marks: markers.filter(({ kind }) => kind === MarkerKind.WATCH).map(({ text }) => text) };
    };
    const watchedSession = async () => {
      const operator = operate(as("alice"), "memory");
      const { session } = await operator.started();
      const watcher = watch(as("carol"), session.id);
      await watcher.started();
      await watcher[Symbol.asyncDispose]();
      await until(async () => (await lookedAt("carol", session.id)).told.length === 3, "that he left is recorded");
      const own = watch(as("alice"), session.id);
      await own.started();
      await until(async () => (await lookedAt("carol", session.id)).told.length === 4, "all of it is recorded");
      return { operator, id: session.id };
    };
    const exported = async (name: string, id: string, format: ExportFormat) => {
      let text = "";
      for await (const { data } of as(name).recordings.exportRecording({ id, format })) text += Buffer.from(data);
      return text;
    };

    it("the config that hides watchers hides them too, while the session runs and later", async () => {
      await open(false);
      const { operator, id } = await watchedSession();
      const all = ["joined alice", "joined carol", "left carol", "joined alice"];
      const forOperator = { told: ["joined alice", "joined alice"], marks: ["alice"] };
      expect(await lookedAt("alice", id)).toEqual(forOperator);
      expect(await lookedAt("root", id)).toEqual({ told: all, marks: ["carol", "alice"] });
      operator.shell.hangUp();
      await operator.ended();
      const { told, marks } = await lookedAt("alice", id);
      expect([...told, ...marks].filter((each) => each.includes("carol"))).toEqual([]);
      await expect(exported("alice", id, ExportFormat.ASCIICAST_V3)).rejects.toThrow("says who watched");
      expect(await exported("alice", id, ExportFormat.ASCIICAST_V2)).not.toContain("carol");
      expect(await exported("carol", id, ExportFormat.ASCIICAST_V3)).toContain("carol");
    });

    it("by default they are there for everybody who may see the recording", async () => {
      await open(true);
      const { operator, id } = await watchedSession();
      expect(await lookedAt("alice", id)).toEqual(await lookedAt("carol", id));
      operator.shell.hangUp();
      await operator.ended();
      expect(await exported("alice", id, ExportFormat.ASCIICAST_V3)).toContain("carol");
    });
  });

  describe("by default", () => {
    beforeEach(() => open(true));

    it("an operator sees who watches, when they come and when they go", async () => {
      const operator = operate(as("alice"), "memory");
      const { session } = await operator.started();
      const watcher = watch(as("carol"), session.id);
      await watcher.started();
      await until(() => joined(operator).includes("carol"), "he is told");
      expect((await as("alice").sessions.listSessions({})).sessions.map(names)).toEqual([["alice", "carol"]]);
      await watcher[Symbol.asyncDispose]();
      await until(() => left(operator).includes("carol"), "he is told");
      operator.shell.hangUp();
      await operator.ended();
    });
  });
});
