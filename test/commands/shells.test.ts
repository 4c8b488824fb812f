import { describe, expect, it } from "vitest";
import { commandsIn, score } from "./replay.ts";
import { playScenes, scenes } from "./scenes.ts";
import { type ShellSetup, shellSetups } from "./shells.ts";
import { sitDown, type Trace } from "./typist.ts";

const setupOf = (shell: string, prompt: string): ShellSetup => {
  const setup = shellSetups.find((each) => each.shell === shell && each.prompt === prompt);
  if (setup === undefined) throw new Error(`no such shell: ${shell}, ${prompt}`);
  return setup;
};

async function played(
  setup: ShellSetup,
  cols: number,
  delayMs: number,
  only?: (name: string) => boolean,
): Promise<Trace> {
  await using desktop = sitDown(setup, { cols, delayMs, keyMs: 2 });
  await playScenes(desktop.typist, setup.shell, only === undefined ? scenes : scenes.filter(({ name }) => only(name)));
  return await desktop.over();
}

describe.concurrent("what is typed into a real shell", () => {
  it.concurrent.each([
    ["bash", "debian", 80, 0],
    ["bash", "as before 5.1", 80, 0],
    ["zsh", "right prompt", 80, 0],
  ] as const)(
    "is found as %s itself says it ran it: %s, %i columns, echo after %i ms",
    async (shell, prompt, cols, delayMs) => {
      const trace = await played(setupOf(shell, prompt), cols, delayMs);
      const found = commandsIn(trace);
      const { hits, missing, extra, leaked } = score(trace, found);
      expect(trace.secrets.length).toBeGreaterThan(5);
      expect(leaked).toEqual([]);
      const told = JSON.stringify({ missing, extra });
      expect(hits / trace.truth.length, told).toBeGreaterThanOrEqual(0.95);
      expect(hits / found.length, told).toBeGreaterThanOrEqual(0.97);
      // Whoever pauses finds his extractor asleep: it knows no less afterwards.
      const slept = score(trace, commandsIn(trace, 30));
      expect(slept.leaked).toEqual([]);
      expect(slept.hits, JSON.stringify(slept)).toBeGreaterThanOrEqual(hits);
      expect(slept.extra.length, JSON.stringify(slept)).toBeLessThanOrEqual(extra.length);
    },
    90_000,
  );

  it.concurrent.each([
    ["bash", "plain", 80],
    ["bash", "as before 5.1", 250],
    ["zsh", "plain", 250],
  ] as const)(
    "never holds what was typed without echo: %s, %s, echo after %i ms",
    async (shell, prompt, delayMs) => {
      const trace = await played(setupOf(shell, prompt), 80, delayMs, (name) => name === "passwords");
      const found = commandsIn(trace);
      expect(trace.secrets).toHaveLength(7);
      expect(score(trace, found).leaked).toEqual([]);
      expect(found.map(({ text }) => text)).toContain("echo after the secrets");
    },
    60_000,
  );

  it.concurrent("has exit status and output range from the shell's marks", async () => {
    const trace = await played(setupOf("bash", "osc133"), 80, 0, (name) => name === "plain commands");
    const found = commandsIn(trace);
    expect(found.map(({ text, exitCode }) => [text, exitCode])).toContainEqual(["false", 1]);
    const hello = found.find(({ text }) => text === "echo hello world");
    expect(hello).toMatchObject({ exitCode: 0, confidence: "observed" });
    const output = Buffer.concat(trace.events.flatMap((event) => (event.kind === "output" ? [event.bytes] : [])));
    expect(output.subarray(hello?.outputFrom, hello?.outputTo).toString()).toBe("hello world\r\n");
    expect(hello?.endedMs).toBeGreaterThanOrEqual(hello?.startedMs ?? Number.POSITIVE_INFINITY);
  }, 60_000);
});
