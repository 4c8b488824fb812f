/** The demo target as a service: one key in, back after its process died, and gone with it all. */
import { tmpdir } from "node:os";
import { describe, expect, test } from "vitest";
import { openDemo } from "../../server/target/demo.ts";
import { dialSsh } from "../../server/target/ssh.ts";
import { eventually, open, operator, reader } from "../support/dialing.ts";

const alive = (pid: number) => {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
};

describe("the demo target", () => {
  test("lets nobody in who has not the key of this start", async () => {
    await using demo = await openDemo(new AbortController().signal, { home: tmpdir() });
    await using other = await openDemo(new AbortController().signal, { home: tmpdir() });
    expect(demo.target.hostKeys).not.toEqual(other.target.hostKeys);
    await expect(open(dialSsh, { ...demo.target, credentials: {} }, operator())).rejects.toMatchObject({
      word: "login-refused",
    });
    await expect(open(dialSsh, { ...demo.target, credentials: other.target.credentials })).rejects.toMatchObject({
      word: "login-refused",
    });
  });

  test("comes back as the same target after its process was killed", async () => {
    await using demo = await openDemo(new AbortController().signal, { home: tmpdir() });
    const first = demo.pid ?? 0;
    await using channel = await open(dialSsh, demo.target);
    process.kill(first, "SIGKILL");
    await reader(channel).rest();
    expect((await channel.done).kind).toBe("lost");
    await eventually(() => demo.pid !== undefined && demo.pid !== first, "another process");
    await eventually(async () => {
      const again = await open(dialSsh, demo.target).catch((error) => {
        expect(error).toMatchObject({ word: "target-unreachable" });
      });
      await again?.[Symbol.asyncDispose]();
      return again !== undefined;
    }, "it can be dialled again");
  });

  test("closed, it takes its process and its shells along", async () => {
    for (const by of ["any", "script"] as const) {
      const demo = await openDemo(new AbortController().signal, { by, home: tmpdir() });
      const channel = await open(dialSsh, demo.target);
      const read = reader(channel);
      await channel.write(Buffer.from('echo "<$$>"\n'));
      const shell = Number(/<(\d+)>/.exec(await read.until(/<\d+>/))?.[1]);
      const server = demo.pid ?? 0;
      expect(alive(shell)).toBe(true);
      await demo[Symbol.asyncDispose]();
      await eventually(() => !alive(server) && !alive(shell), "server and shell are gone");
      await channel[Symbol.asyncDispose]();
    }
  });

  test("is not started once its signal has aborted", async () => {
    const reason = new Error("stopping");
    await expect(openDemo(AbortSignal.abort(reason))).rejects.toBe(reason);
  });
});
