/** What every PtyChannel promises, as tests to run over any target. */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createSshDial } from "../../server/target/ssh.ts";
import type { Dial, Target } from "../../server/target/target.ts";
import { eventually, open, reader } from "../support/dialing.ts";
import { createHeldClock, passUntilSettled } from "../support/held-clock.ts";

export interface ContractRig {
  readonly name: string;
  readonly dial: Dial;
  open(): Promise<{ readonly target: Target } & AsyncDisposable>;
  /** Whether a shell that kills itself is reported as signalled; some can only tell 128 + number. */
  readonly signals: boolean;
  /** Smaller amounts for slow lines. */
  readonly slow?: boolean;
}

export function ptyContract(rig: ContractRig): void {
  describe(`a pty over ${rig.name}`, () => {
    let target: Target;
    let opened: AsyncDisposable;
    beforeAll(async () => {
      const made = await rig.open();
      opened = made;
      target = made.target;
    });
    afterAll(() => opened[Symbol.asyncDispose]());
    const dialled = () => open(rig.dial, target);
    const type = (text: string) => Buffer.from(`${text}\n`);

    test("carries every byte value unchanged, both ways", async () => {
      await using channel = await dialled();
      const read = reader(channel);
      await channel.write(type("stty raw -echo; printf 'REA''DY'; exec cat"));
      const before = (await read.until("READY")).length;
      const sent = Buffer.alloc(
        rig.slow ? 4_096 : 131_072,
        Buffer.from(Array.from({ length: 256 }, (_, value) => value)),
      );
      const writing = channel.write(sent);
      while (read.bytes().length < before + sent.length)
        await read.until(new RegExp(`^[^]{${read.bytes().length + 1}}`));
      await writing;
      expect(read.bytes().subarray(before).equals(sent)).toBe(true);
    });

    test("has the size it was opened with, and follows resizes to the last", async () => {
      await using channel = await rig.dial(target, { cols: 101, rows: 33 }, { question: never, tell() {} }, live());
      const read = reader(channel);
      await channel.write(type("stty size; echo fir''st"));
      expect(await read.until("first")).toMatch(/33 101/);
      for (let cols = 60; cols <= 90; cols++) channel.resize({ cols, rows: 20 });
      // Typed again and again: the size may arrive behind the command.
      await eventuallySays(channel, read, "stty size", /20 90/);
    });

    test("clamps sizes that no terminal has", async () => {
      await using channel = await dialled();
      const read = reader(channel);
      channel.resize({ cols: 100_000, rows: 0 });
      await eventuallySays(channel, read, "stty size", /\b1 1000\b/);
    });

    test("says it is an xterm-256color", async () => {
      await using channel = await dialled();
      const read = reader(channel);
      await channel.write(type('echo "<$TERM>"'));
      await read.until("<xterm-256color>");
    });

    test("gives a slow reader all bytes, and then the exit code", async () => {
      await using channel = await dialled();
      const read = reader(channel);
      const bytes = rig.slow ? 200_000 : 3_000_000;
      await channel.write(
        type(`stty -echo; printf 'REA''DY'; head -c ${bytes} /dev/zero | tr '\\0' x; exec sh -c 'exit 5'`),
      );
      await read.until("READY");
      let settled = false;
      channel.done.then(() => {
        settled = true;
      });
      let count = read.bytes().toString("latin1").split("READY")[1]?.replaceAll(/[^x]/g, "").length ?? 0;
      for await (const chunk of channel.output) {
        expect(chunk.length).toBeLessThanOrEqual(32_768);
        if (count < bytes / 2) expect(settled).toBe(false);
        count += Buffer.from(chunk).toString("latin1").replaceAll(/[^x]/g, "").length;
        await new Promise((resolve) => setImmediate(resolve));
      }
      expect(count).toBe(bytes);
      expect(await channel.done).toEqual({ kind: "exited", code: 5 });
    });

    test.runIf(rig.signals)("tells the signal that ended the shell", async () => {
      await using channel = await dialled();
      const read = reader(channel);
      await channel.write(type("kill -KILL $$"));
      await read.rest();
      expect(await channel.done).toEqual({ kind: "signalled", name: "KILL" });
    });

    test("stops a program whose output nobody reads, and holds less than 4 MiB of it", async () => {
      const folder = mkdtempSync(join(tmpdir(), "bartizan-flood-"));
      try {
        await using channel = await dialled();
        const read = reader(channel);
        const file = join(folder, "count");
        const before = heldBytes();
        await channel.write(type(`i=0; while :; do head -c 65536 /dev/zero; i=$((i+1)); echo $i > ${file}; done`));
        await read.until("done");
        let last = "";
        let still = 0;
        await eventually(() => {
          const now = countIn(file);
          still = now !== "" && now === last ? still + 1 : 0;
          last = now;
          return still >= 50;
        }, "the program blocks");
        expect(heldBytes() - before).toBeLessThan(4_194_304);
        expect(Number(last) * 65_536).toBeLessThan(16_777_216);
      } finally {
        // The program may write its last number meanwhile.
        rmSync(folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 50 });
      }
    });

    test("obeys Ctrl-C in the middle of a flood", async () => {
      await using channel = await dialled();
      const read = reader(channel);
      await channel.write(type("yes flood"));
      await read.until(/flood\r\nflood/);
      await channel.write(Buffer.from([3]));
      await channel.write(type("echo STOP''PED"));
      await untilTail(channel, "STOPPED");
    });

    test("takes back what the target has not let in, and goes on with what comes after", async () => {
      await using channel = await open(rig.dial, target);
      const read = reader(channel);
      expect(channel.recall()).toBe(0);
      await channel.write(type("stty raw -echo; echo REA''DY; sleep 2; head -n1 | wc -c; echo OV''ER"));
      await read.until("READY");
      const sent = Buffer.alloc(5 * 1024 * 1024, "x");
      const writing = channel.write(sent);
      const back = channel.recall();
      expect(back).toBeGreaterThan(1024 * 1024);
      expect(channel.recall()).toBe(0);
      await writing;
      await channel.write(Buffer.from("yy\n"));
      await read.until("OVER");
      const [, after = ""] = read.bytes().toString("latin1").split("READY");
      expect(Number(/\d+/.exec(after)?.[0])).toBe(sent.length - back + "yy\n".length);
    });

    test("hangs up within 4 s, whatever goes on", async () => {
      for (const doing of ["", "yes", "sleep 1000", "exit"]) {
        const clock = createHeldClock();
        const channel = await open(createSshDial(clock), target);
        if (doing !== "") await channel.write(type(doing));
        expect(await passUntilSettled(clock, channel[Symbol.asyncDispose]())).toBeLessThan(4_000);
        const { done } = await channel.output[Symbol.asyncIterator]().next();
        expect(done).toBe(true);
        expect(["lost", "exited", "signalled"]).toContain((await channel.done).kind);
        await channel.write(Buffer.from("too late")); // settles, and throws nothing
        channel.resize({ cols: 10, rows: 10 });
      }
    });

    test("hangs up when its signal aborts", async () => {
      const life = new AbortController();
      await using channel = await open(rig.dial, target, undefined, life.signal);
      await channel.write(type("sleep 1000"));
      life.abort(new Error("kicked"));
      for await (const _ of channel.output);
      expect(await channel.done).toEqual({ kind: "lost", reason: "hung up by the bastion" });
    });

    test("is not dialled once its signal has aborted, and says the signal's reason", async () => {
      const reason = new Error("gone");
      const life = new AbortController();
      const dialling = open(rig.dial, target, undefined, life.signal);
      life.abort(reason);
      await expect(dialling).rejects.toBe(reason);
      await expect(open(rig.dial, target, undefined, life.signal)).rejects.toBe(reason);
    });
  });
}

const never = () => Promise.reject(new Error("nobody is asked here"));
const live = () => new AbortController().signal;

async function eventuallySays(
  channel: { write(input: Uint8Array): Promise<void> },
  read: ReturnType<typeof reader>,
  command: string,
  wanted: RegExp,
): Promise<void> {
  for (let round = 0; round < 50; round++) {
    await channel.write(Buffer.from(`${command}; echo rou''nd-${round}.\n`));
    if (wanted.test(await read.until(`round-${round}.`))) return;
  }
  throw new Error(`never said ${wanted}`);
}

/** Reads on, keeping only the tail. */
async function untilTail(channel: { output: AsyncIterable<Uint8Array> }, wanted: string): Promise<void> {
  let tail = "";
  for await (const chunk of channel.output) {
    tail = (tail + Buffer.from(chunk).toString("latin1")).slice(-70_000);
    if (tail.includes(wanted)) return;
  }
  throw new Error(`the output ended before ${wanted}`);
}

/** Bytes of buffers that something still holds on to. */
function heldBytes(): number {
  setFlagsFromString("--expose-gc");
  (runInNewContext("gc") as () => void)();
  return process.memoryUsage().arrayBuffers;
}

function countIn(file: string): string {
  try {
    return readFileSync(file, "utf8").trim();
  } catch {
    return "";
  }
}
