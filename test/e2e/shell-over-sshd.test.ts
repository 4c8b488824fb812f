import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { faultOf, KickOutcome } from "../../proto/client/index.ts";
import { makeKey, openSshd, type Sshd } from "../support/sshd.ts";
import { openTestBastion, type TestBastion } from "../support/test-bastion.ts";
import { until } from "../support/until.ts";
import { operate, watch } from "../support/viewing.ts";

let sshd: Sshd;
let bastion: TestBastion;
beforeAll(async () => {
  sshd = await openSshd();
  bastion = await openTestBastion({
    targets: [
      sshd.target,
      { ...sshd.target, name: "wrong-key", hostKeys: [makeKey(join(sshd.folder, "other"), "ed25519")] },
    ],
    principals: { carol: ["auditor"], root: ["admin"] },
  });
});
afterAll(async () => {
  await bastion[Symbol.asyncDispose]();
  await sshd[Symbol.asyncDispose]();
});

const plainShell = "PS1='$ '; stty -echo; echo READ''Y\n";

async function opened(options: Parameters<typeof operate>[2] = {}) {
  const operator = operate(bastion.clients(), sshd.target.name, options);
  const { session } = await operator.started();
  await operator.type(plainShell);
  await operator.shows("READY\r\n");
  return { operator, id: session.id };
}

describe("a shell on a real sshd", () => {
  it("is watched from its exact screen, and kicked for certain", async () => {
    const { operator, id } = await opened();
    await operator.type("echo $((40 + 2)) bottles; stty size; echo $TERM\n");
    await operator.shows("42 bottles\r\n24 80\r\nxterm-256color\r\n");
    await using watcher = watch(bastion.clients("token-carol"), id);
    await watcher.shows("42 bottles");
    const answer = await bastion.clients("token-root").sessions.kick({ sessionId: id, reason: "lunch" });
    expect(answer).toMatchObject({ outcome: KickOutcome.ENDED, watchersTold: 1 });
    const cause = { kind: "kicked", by: "root", reason: "lunch" };
    expect((await operator.ended()).cause).toEqual(cause);
    expect((await watcher.ended()).cause).toEqual(cause);
  });

  it("gives back its exit status, and the signal that ended it", async () => {
    const one = await opened();
    await one.operator.type("exit 37\n");
    expect((await one.operator.ended()).cause).toEqual({ kind: "exited", code: 37 });
    const two = await opened();
    await two.operator.type("kill -KILL $$\n");
    expect((await two.operator.ended()).cause).toEqual({ kind: "signalled", name: "KILL" });
  });

  it("takes a paste of 10 MB into a program that prints while it reads", async () => {
    const { operator } = await opened();
    await operator.type("stty raw; echo NO''W; head -c 10485760; stty sane; echo DO''NE\n");
    // Before that the line discipline would drop what is more than one line.
    await operator.shows("NOW");
    const paste = Buffer.alloc(10_485_760, "0123456789abcdef");
    expect(await operator.type(paste)).toBe(true);
    await operator.shows("DONE");
    const printed = operator.bytes();
    const from = printed.indexOf("0123456789abcdef");
    expect(printed.subarray(from, from + paste.length).equals(paste)).toBe(true);
    operator.shell.hangUp();
    await operator.ended();
  });

  it("stops a flood at the interrupt key", async () => {
    const { operator } = await opened();
    await operator.type("yes the flood\n");
    await until(() => operator.bytes().length > 3_000_000, "the flood is on");
    await operator.type(Uint8Array.of(3));
    await operator.type("echo CALM''NESS\n");
    // The flood has no end of its own.
    await operator.shows("CALMNESS");
    operator.shell.hangUp();
    await operator.ended();
  });

  it("does not outlive the refusal of a changed host key, and sends it nothing", async () => {
    await using operator = operate(bastion.clients(), "wrong-key");
    expect(faultOf(await operator.over.catch((reason) => reason))).toMatchObject({ word: "host-key-changed" });
    expect(bastion.registry.size).toBe(0);
  });

  it("ends as lost when its target dies in the middle of output, and others go on", async () => {
    const other = await opened();
    const { operator } = await opened();
    await operator.type("echo PID=$PPID; yes\n");
    await operator.shows("PID=");
    await until(() => /PID=\d+\r\n/.test(operator.text()), "the number");
    process.kill(Number(/PID=(\d+)\r\n/.exec(operator.text())?.[1]), "SIGKILL");
    expect((await operator.ended()).cause).toMatchObject({ kind: "lost" });
    await other.operator.type("echo still he''re\n");
    await other.operator.shows("still here");
    other.operator.shell.hangUp();
    await other.operator.ended();
  });
});

describe("an operator whose connection is cut", () => {
  it("comes back by himself to the same shell with every byte once", async () => {
    const { bearer, createClients } = await import("../../proto/client/index.ts");
    const { createNodeTransport } = await import("../../proto/client/node-transport.ts");
    await using own = await openTestBastion({ targets: [sshd.target] });
    using transport = createNodeTransport({ baseUrl: own.url, interceptors: [bearer(own.token)] });
    const operator = operate(createClients(transport), sshd.target.name, { reconnect: true });
    await operator.started();
    await operator.type(plainShell);
    await operator.shows("READY\r\n");
    await operator.type("for i in $(seq 1 3000); do echo line $i; sleep 0.0005; done; echo ALL''DONE\n");
    for (const mark of ["line 200\r\n", "line 900\r\n", "line 1700\r\n"]) {
      await operator.shows(mark);
      transport[Symbol.dispose]();
    }
    await operator.shows("ALLDONE\r\n");
    expect(operator.events.filter((event) => event.kind === "reconnected").length).toBeGreaterThan(0);
    const lines = Array.from({ length: 3000 }, (_, index) => `line ${index + 1}\r\n`).join("");
    expect(operator.bytes().toString()).toContain(lines);
    operator.shell.hangUp();
    await operator.ended();
  });
});
