/** How far away a target is, as an SSH channel tells it, over OpenSSH. */
import { expect, test } from "vitest";
import { systemClock } from "../../server/flow/clock.ts";
import { createSshDial } from "../../server/target/ssh.ts";
import { eventually, open, reader } from "../support/dialing.ts";
import { openSshd } from "../support/sshd.ts";

test("the round trip to a target is measured when asked for, at most every five seconds, and unknown after the end", async () => {
  await using sshd = await openSshd();
  let skippedMs = 0;
  const clock = { ...systemClock, monotonicMs: () => systemClock.monotonicMs() + skippedMs };
  await using pty = await open(createSshDial(clock), sshd.target);
  const shown = reader(pty);
  await pty.write(Buffer.from("echo re''ady\r"));
  await shown.until("ready");

  expect(pty.latencyMs?.()).toBeUndefined();
  await eventually(() => pty.latencyMs?.() !== undefined, "a first measurement");
  const first = pty.latencyMs?.() ?? 0;
  expect(first).toBeGreaterThan(0);
  expect(first).toBeLessThan(5_000);
  for (let asked = 0; asked < 20; asked += 1) expect(pty.latencyMs?.()).toBe(first);
  skippedMs = 5_000;
  await eventually(() => pty.latencyMs?.() !== first, "a second measurement");

  // The shell is none the worse for it.
  await pty.write(Buffer.from("echo st''ill here; exit\r"));
  await shown.until("still here");
  await shown.rest();
  expect(await pty.done).toEqual({ kind: "exited", code: 0 });
  await eventually(() => pty.latencyMs?.() === undefined, "nothing is known of a target that is gone");
});
