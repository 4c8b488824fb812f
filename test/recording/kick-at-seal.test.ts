import { describe, expect, test } from "vitest";
import { createMemoryTarget } from "../support/memory-target.ts";
import { dataOf, onlyCast } from "../support/recordings-of.ts";
import { createSickDisk } from "../support/sick-disk.ts";
import { openTestBastion } from "../support/test-bastion.ts";
import { until } from "../support/until.ts";
import { operate } from "../support/viewing.ts";

async function opened() {
  const memory = createMemoryTarget();
  const disk = createSickDisk();
  const bastion = await openTestBastion({ targets: [memory.target], dial: memory.dial, disk });
  return { memory, disk, bastion, data: dataOf(bastion) };
}

describe("a session on a slow disk", () => {
  test("that is kicked while it is sealed has one end: the one in the seal", async () => {
    const { bastion, disk, memory, data } = await opened();
    await using _bastion = bastion;
    const clients = bastion.clients();
    await using shell = operate(clients, "memory");
    const { session } = await shell.started();
    await memory.pty().print("x");
    await until(() => disk.unsyncedBytes === 0, "what was shown is synced");
    disk.slow(1500);
    memory.pty().exit({ kind: "exited", code: 3 });
    await new Promise((resolve) => setImmediate(resolve));
    const { ended } = await clients.sessions.kick({ sessionId: session.id, reason: "lunch" });
    expect((await shell.ended()).cause).toMatchObject({ kind: "exited", code: 3 });
    expect(ended?.cause.case).toBe("exited");
    expect(onlyCast(data).final).toEqual({ kind: "exited", code: 3 });
    disk.heal();
  });

  test("is told of a kick although its seal hangs", async () => {
    const { bastion, disk, memory } = await opened();
    await using _bastion = bastion;
    const clients = bastion.clients();
    await using shell = operate(clients, "memory");
    const { session } = await shell.started();
    await memory.pty().print("x");
    disk.slow(3000);
    const start = performance.now();
    await clients.sessions.kick({ sessionId: session.id, reason: "lunch" });
    expect((await shell.ended()).cause).toMatchObject({ kind: "kicked" });
    expect(performance.now() - start).toBeLessThan(2500);
    disk.heal();
  });
});
