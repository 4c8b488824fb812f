/** Holds the contract for strangers: `buf curl` over Connect, gRPC and gRPC-Web, knowing nothing but the .proto files. */
import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { expect, test } from "vitest";
import { root } from "../house/sources.ts";
import { createMemoryTarget } from "../support/memory-target.ts";
import { openTestBastion } from "../support/test-bastion.ts";
import { until } from "../support/until.ts";

// The program itself: its Node shim does not pass signals on.
const require = createRequire(import.meta.url);
const buf = join(
  dirname(require.resolve(`@bufbuild/buf-${process.platform}-${process.arch}/package.json`)),
  "bin",
  "buf",
);

interface Message {
  readonly [field: string]: unknown;
}

interface Call extends Disposable {
  send(message: Message): void;
  /** No more requests. */
  finish(): void;
  /** Every message so far. */
  readonly messages: readonly Message[];
  /** What output and key frames held so far. */
  text(): string;
  /** The exit status, which is 8 times the gRPC code, after the last message. */
  readonly done: Promise<number | null>;
  complaint(): string;
}

function call(url: string, protocol: string, method: string, token: string, request?: Message): Call {
  const flags = ["--schema", join(root, "proto"), "--protocol", protocol, "--http2-prior-knowledge"];
  const args = ["curl", ...flags, "-H", `authorization: Bearer ${token}`, "-d", "@-", `${url}/bartizan.v1.${method}`];
  const child: ChildProcessWithoutNullStreams = spawn(buf, args);
  const messages: Message[] = [];
  let rest = "";
  let complaint = "";
  child.stderr.on("data", (chunk) => {
    complaint += chunk;
  });
  child.stdout.on("data", (chunk) => {
    const parts = `${rest}${chunk}`.split(/(?<=^\}|\})\n(?=\{|$)/m);
    rest = parts.pop() ?? "";
    for (const part of parts) messages.push(JSON.parse(part));
  });
  child.stdin.on("error", () => {}); // the call may be over already
  const done = new Promise<number | null>((resolve) => {
    child.on("close", (code) => resolve(code));
  });
  const send = (message: Message) => child.stdin.write(`${JSON.stringify(message)}\n`);
  if (request !== undefined) child.stdin.end(JSON.stringify(request));
  return {
    ...{ send, messages, done, finish: () => child.stdin.end(), complaint: () => complaint },
    text: () => messages.map(textOf).join(""),
    [Symbol.dispose]: () => child.kill("SIGKILL"),
  };
}

function textOf(message: Message): string {
  const { output, keyFrame, state } = message as Record<string, { data?: string; keyFrame?: { data?: string } }>;
  return Buffer.from(output?.data ?? keyFrame?.data ?? state?.keyFrame?.data ?? "", "base64").toString();
}

test.each(["connect", "grpc", "grpcweb"])("over %s a shell is opened, watched and kicked", async (protocol) => {
  const memory = createMemoryTarget({ echo: true });
  await using bastion = await openTestBastion({
    targets: [memory.target],
    dial: memory.dial,
    principals: { olga: ["operator"], ada: ["auditor"], max: ["admin"] },
  });
  const ask = (method: string, token: string, request?: Message) => call(bastion.url, protocol, method, token, request);

  using targets = ask("TargetService/ListTargets", "token-olga", {});
  expect(await targets.done, targets.complaint()).toBe(0);
  expect(targets.messages).toMatchObject([{ targets: [{ name: "memory" }] }]);

  using shell = ask("SessionService/Shell", "token-olga");
  shell.send({ start: { target: "memory", size: { cols: 80, rows: 24 } } });
  const started = await until(() => shell.messages.find((message) => message.started), "the shell is open");
  const { id } = (started as { started: { session: { id: string } } }).started.session;
  shell.send({ input: Buffer.from("hello from olga").toString("base64") });
  await until(() => shell.text().includes("hello from olga"), "the operator sees what the target prints");

  using watch = ask("SessionService/Watch", "token-ada", { sessionId: id });
  await until(() => watch.text().includes("hello from olga"), "the watcher begins with the screen");
  expect(watch.messages[0]).toHaveProperty("state.session.operator.name", "olga");
  shell.send({ input: Buffer.from("and more").toString("base64") });
  await until(() => watch.text().includes("and more"), "the watcher sees what comes");

  using refused = ask("SessionService/Kick", "token-ada", { sessionId: id, reason: "lunch" });
  expect(await refused.done).toBe(7 << 3); // permission denied
  using kick = ask("SessionService/Kick", "token-max", { sessionId: id, reason: "lunch" });
  expect(await kick.done, kick.complaint()).toBe(0);
  expect(kick.messages).toMatchObject([{ outcome: "KICK_OUTCOME_ENDED", watchersTold: 1 }]);
  for (const viewer of [shell, watch]) {
    await until(() => viewer.messages.at(-1)?.ended, "the viewer is told");
    expect(viewer.messages.at(-1)).toMatchObject({ ended: { kicked: { by: { name: "max" }, reason: "lunch" } } });
  }
  shell.finish();
  expect(await shell.done, shell.complaint()).toBe(0);
  expect(await watch.done, watch.complaint()).toBe(0);
  expect(memory.pty().hungUp()).toBe(true);
});

test("without a token a stranger gets nowhere", async () => {
  await using bastion = await openTestBastion();
  using listed = call(bastion.url, "grpc", "TargetService/ListTargets", "made-up", {});
  expect(await listed.done).toBe(16 << 3); // unauthenticated
});
