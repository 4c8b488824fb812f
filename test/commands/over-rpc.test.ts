import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { faultOf } from "../../proto/client/index.ts";
import type { TypedCommand } from "../../proto/gen/bartizan/v1/command_pb.ts";
import { cliInPipe } from "../cli/cli-in-pty.ts";
import { createMemoryTarget } from "../support/memory-target.ts";
import { carriers, openTestBastion, type TestBastion, type TestBastionOptions } from "../support/test-bastion.ts";
import { until } from "../support/until.ts";
import { type OperatorViewing, operate, watch } from "../support/viewing.ts";

async function withPlay(over: (typeof carriers)[number] = "HTTP/2", config: TestBastionOptions["config"] = {}) {
  const memory = createMemoryTarget({ name: "play" });
  const bastion = await openTestBastion({
    ...{ over, config, targets: [memory.target], dial: memory.dial },
    principals: { alice: ["operator"], bob: ["operator"], carol: ["auditor"], root: ["admin"] },
  });
  /** As a shell with an editor answers. */
  const run = async (operator: OperatorViewing, text: string, output = "") => {
    await memory.pty().print("\x1b[?2004h$ ");
    await operator.shows("$ ");
    for (const key of text) {
      await operator.type(key);
      await until(() => memory.pty().typed().toString().endsWith(key), "the key arrives");
      await memory.pty().print(key);
    }
    await operator.type("\r");
    await until(() => memory.pty().typed().toString().endsWith("\r"), "Enter arrives");
    await memory.pty().print(`\r\n\x1b[?2004l\r${output}`);
  };
  return { bastion, memory, run };
}

const search = async (bastion: TestBastion, token: string, request: object = {}) =>
  (await bastion.clients(token).commands.searchCommands(request)).commands;

describe.each(carriers)("a watcher over %s", (over) => {
  it("is told of each command as it is typed, and again when more is known; its operator is not", async () => {
    const { bastion, memory, run } = await withPlay(over);
    await using _bastion = bastion;
    const operator = operate(bastion.clients("token-alice"), "play");
    const { session } = await operator.started();
    await using watcher = watch(bastion.clients("token-carol"), session.id);
    await watcher.started();
    await run(operator, "make test", "all well\r\n\x1b]133;D;2\x07");
    const told = () =>
      watcher.events.flatMap((event): TypedCommand[] => (event.kind === "command" ? [event.command] : []));
    await until(() => told().at(-1)?.exitCode === 2, "the command with its status");
    expect(told().at(-1)).toMatchObject({ sessionId: session.id, number: 1, text: "make test" });
    expect(operator.events.some(({ kind }) => kind === "command")).toBe(false);
    const listed = async () =>
      (await bastion.clients().recordings.getRecording({ id: session.id })).recording?.commands === 1;
    await until(listed, "the list counts it while the session runs");
    memory.pty().exit({ kind: "exited", code: 0 });
    await operator.ended();
  });
});

describe("SearchCommands", () => {
  it("gives operators their own commands alone, auditors and admins everybody's", async () => {
    const { bastion, memory, run } = await withPlay();
    await using _bastion = bastion;
    for (const name of ["alice", "bob"]) {
      const operator = operate(bastion.clients(`token-${name}`), "play");
      await operator.started();
      await run(operator, `echo of ${name}`);
      memory.pty().exit({ kind: "exited", code: 0 });
      await operator.ended();
    }
    await until(async () => (await search(bastion, "token-carol")).length === 2, "both are stored");
    const texts = async (token: string, request: object = {}) =>
      (await search(bastion, token, request)).map(({ command }) => command?.text);
    expect(await texts("token-alice")).toEqual(["echo of alice"]);
    expect(await texts("token-alice", { operator: "bob" })).toEqual([]);
    expect(await texts("token-bob", { text: "echo" })).toEqual(["echo of bob"]);
    expect(await texts("token-carol", { text: "echo" })).toEqual(["echo of bob", "echo of alice"]);
    expect(await texts("token-root", { operator: "alice", target: "play" })).toEqual(["echo of alice"]);
    const [found] = await search(bastion, "token-root", { operator: "alice" });
    expect(found).toMatchObject({ operator: { name: "alice" }, target: "play", command: { number: 1 } });
    expect(Math.abs(Number(found?.at?.seconds) - Date.now() / 1000)).toBeLessThan(60);
    const refused = async (token: string, request: object) =>
      faultOf(
        await search(bastion, token, request).then(
          () => undefined,
          (error: unknown) => error,
        ),
      ).word;
    expect(await refused("token-nobody", {})).toBe("unauthenticated");
    expect(await refused("token-carol", { pageSize: 501 })).toBe("invalid");
    expect(await refused("token-carol", { pageToken: "-1 OR 1" })).toBe("invalid");
    expect(await refused("token-carol", { text: "|" })).toBe("invalid");
  });
});

describe("`bartizan commands`", () => {
  it("lists, searches and prints JSON, and lets no control character through", async () => {
    const { bastion, memory, run } = await withPlay();
    await using _bastion = bastion;
    const env = { url: bastion.url, token: bastion.token, folder: bastion.folder };
    const operator = operate(bastion.clients(), "play");
    const { session } = await operator.started();
    await run(operator, "echo first", "\x1b]133;D;0\x07");
    await run(operator, "ls '漢字'");
    await run(operator, "x", "\x1b]633;E;echo \\x0asecond\\x1b[31m;n\x07");
    await until(async () => (await search(bastion, bastion.token)).length === 3, "all are stored");
    const all = await cliInPipe(["commands", session.id.slice(0, -2)], env);
    expect(all.code).toBe(0);
    const rows = all.stdout.trim().split("\n");
    expect(rows[0]).toMatch(/^AT +SESSION +OPERATOR +TARGET +EXIT +COMMAND$/);
    expect(rows[1]).toMatch(/play +0 {2}echo first$/);
    expect(rows[2]).toMatch(/ls '漢字'$/);
    expect(rows[3]).toContain("echo  ⏎ second\ufffd[31m");
    expect(all.stdout).not.toContain("\x1b");
    const found = await cliInPipe(["commands", "--search", "fir", "--from", "1h", "--json"], env);
    expect(JSON.parse(found.stdout).commands).toMatchObject([{ command: { text: "echo first", exitCode: 0 } }]);
    const none = await cliInPipe(["commands", "--operator", "nobody"], env);
    expect([none.code, none.stdout]).toEqual([0, ""]);
    expect(none.stderr).toContain("no such command");
    expect((await cliInPipe(["commands", "--from", "yesterday"], env)).code).toBe(2);
    const one = await cliInPipe(["commands", "--limit", "1"], env);
    expect(one.stdout.trim().split("\n")).toHaveLength(2);
    expect(one.stderr).toContain("There are more");
    memory.pty().exit({ kind: "exited", code: 0 });
    await operator.ended();
  }, 60_000);

  it("takes the beginning of a session's id, or its recording's, when the server was started since", async () => {
    const data = mkdtempSync(join(tmpdir(), "bartizan-data-"));
    const config = { data, recording: { folder: join(data, "recordings") } };
    try {
      let session = "";
      {
        const { bastion, memory, run } = await withPlay("HTTP/2", config);
        await using _bastion = bastion;
        await using operator = operate(bastion.clients(), "play");
        session = (await operator.started()).session.id;
        await run(operator, "echo first");
        memory.pty().exit({ kind: "exited", code: 0 });
        await operator.ended();
        await until(async () => (await search(bastion, bastion.token)).length === 1, "it is stored");
      }
      await using bastion = await openTestBastion({ config });
      const env = { url: bastion.url, token: bastion.token, folder: bastion.folder };
      const recording = bastion.catalogue.find(session)?.id ?? "";
      for (const given of [session, session.slice(0, -2), session.slice("test-".length), recording.slice(0, 8)])
        expect((await cliInPipe(["commands", given], env)).stdout, given).toContain("echo first");
    } finally {
      rmSync(data, { recursive: true });
    }
  }, 60_000);
});
