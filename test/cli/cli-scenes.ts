/** What the end-to-end tests of the CLI have in common: a session to look at, a line to cut, a terminal left as it was. */

import { connect, createServer, type Socket } from "node:net";
import { expect } from "vitest";
import { createMemoryTarget } from "../support/memory-target.ts";
import { openTestBastion } from "../support/test-bastion.ts";
import { until } from "../support/until.ts";
import { type CliEnv, cliInPty } from "./cli-in-pty.ts";

/** `terminal` is what stty says: a terminal in its usual mode. */
export const cooked = (terminal: string) => {
  expect(terminal).toMatch(/(^|\s)icanon/m);
  expect(terminal).toMatch(/(^|\s)echo(\s|;)/m);
  expect(terminal).toMatch(/(^|\s)isig/m);
};

/** A session of a program that the test plays, with an operator's CLI on it. */
export async function withMemory(cols = 80, rows = 24) {
  const memory = createMemoryTarget({ name: "play" });
  const bastion = await openTestBastion({
    ...{ targets: [memory.target], dial: memory.dial },
    config: { listen: { host: "127.0.0.1", port: 0, names: ["127.0.0.2"] } },
  });
  const env: CliEnv = { url: bastion.url, token: bastion.token, folder: bastion.folder };
  const operator = cliInPty(["shell", "play"], env, cols, rows);
  await until(() => bastion.registry.size === 1, "the session");
  const id = await until(() => bastion.registry.list()[0]?.id, "its id");
  await until(() => {
    try {
      return memory.pty();
    } catch {
      return undefined;
    }
  }, "its pty");
  return { bastion, env, operator, id, pty: memory.pty() };
}

/** A way to the port of 127.0.0.1 under another address of this machine, with the same port: the Host stays right. */
export async function openCuttable(host: string, port: number) {
  const pairs = new Set<Socket>();
  let taken = 0;
  const server = createServer((near) => {
    taken += 1;
    const far = connect(port, "127.0.0.1");
    near.pipe(far).pipe(near);
    for (const socket of [near, far]) {
      pairs.add(socket);
      socket.on("error", () => {});
      socket.on("close", () => {
        pairs.delete(socket);
        near.destroy();
        far.destroy();
      });
    }
  });
  await new Promise<void>((resolve) => server.listen(port, host, resolve));
  const cut = () => {
    for (const socket of pairs) socket.resetAndDestroy();
  };
  return {
    cut,
    taken: () => taken,
    async [Symbol.asyncDispose]() {
      cut();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
