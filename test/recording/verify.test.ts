import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { keyRing } from "../../server/recording/public-key.ts";
import { openRecordingFile } from "../../server/recording/recording-file.ts";
import { UnknownFormatError, type Verification, verifyRecording } from "../../server/recording/verify.ts";
import { root } from "../house/sources.ts";
import { type Random, randomFrom } from "../support/random.ts";
import { type CastMaker, type MakerKey, makeCast, makeKey, startFor } from "./cast-maker.ts";

const key = makeKey();
const other = makeKey();
const signal = new AbortController().signal;
// Debian's own: another python3 may be first on PATH.
const python = "/usr/bin/python3";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "bartizan-verify-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** A session of some kinds of output, cut and sealed now and then. */
function session(random: Random, seal = key, events = 60): CastMaker {
  const maker = makeCast(startFor(random.below(1000)), seal);
  let atMs = 0;
  for (let count = 0; count < events; count += 1) {
    atMs += random.below(300);
    const what = random.below(10);
    if (what === 0) maker.resize({ cols: 10 + random.below(200), rows: 10 + random.below(50) }, atMs);
    else if (what === 1) maker.output(random.bytes(1 + random.below(50)), atMs);
    else if (what === 2) maker.comment("joined", { at: atMs, attachment: "a2", who: "cä\u2028rol", role: "watcher" });
    else if (what === 3) maker.marker('kick "me"', atMs);
    else if (what === 4) maker.link();
    else if (what === 5) {
      const euro = Buffer.from("€");
      maker.tail(euro.subarray(0, 1));
      if (random.below(2) === 0) maker.link();
      maker.output(euro, atMs);
    } else maker.output(`\x1b[3${random.below(8)}m\t"quo\\ted" €\u0000 😀 line\r\n`.repeat(1 + random.below(20)), atMs);
  }
  return maker;
}

function complete(random: Random, seal: MakerKey = key): Buffer {
  const maker = session(random, seal);
  maker.end({ kind: "exited", code: 0 });
  return maker.take();
}

async function ours(
  bytes: Buffer,
  options: Partial<Parameters<typeof verifyRecording>[1]> = {},
): Promise<Verification> {
  const path = join(folder, "ours.cast");
  writeFileSync(path, bytes);
  await using file = await openRecordingFile(path);
  return await verifyRecording(file, { keyOf: keyRing([key.pem]), signal, ...options });
}

const verdictOf = async (bytes: Buffer) =>
  await ours(bytes).then(
    ({ verdict }) => verdict as string,
    (error) => (error instanceof UnknownFormatError ? "error" : Promise.reject(error)),
  );

function theirs(all: readonly Buffer[]): string[] {
  const pem = join(folder, "key.pub");
  writeFileSync(pem, key.pem);
  const files = all.map((bytes, index) => {
    writeFileSync(join(folder, `${index}.cast`), bytes);
    return join(folder, `${index}.cast`);
  });
  const script = join(root, "test", "recording", "verify.py");
  const { stdout, stderr } = spawnSync(python, [script, pem, ...files], { encoding: "utf8" });
  expect(stderr).toBe("");
  return stdout.trim().split("\n");
}

const lines = (bytes: Buffer) => bytes.toString("latin1").split(/(?<=\n)/);
const joined = (parts: readonly string[]) => Buffer.from(parts.join(""), "latin1");

const damages: Readonly<Record<string, (bytes: Buffer, random: Random) => Buffer>> = {
  "a bit flipped": (bytes, random) => {
    const copy = Buffer.from(bytes);
    const at = random.below(copy.length);
    copy[at] = (copy[at] ?? 0) ^ (1 << random.below(8));
    return copy;
  },
  "the end cut off": (bytes, random) => bytes.subarray(0, random.below(bytes.length)),
  "lines cut off the end": (bytes, random) => joined(lines(bytes).slice(0, -1 - random.below(20))),
  "a line taken out": (bytes, random) => joined(lines(bytes).toSpliced(random.below(lines(bytes).length), 1)),
  "a line twice": (bytes, random) => {
    const all = lines(bytes);
    const at = random.below(all.length);
    return joined(all.toSpliced(at, 0, all[at] ?? ""));
  },
  "two lines swapped": (bytes, random) => {
    const all = lines(bytes);
    const at = random.below(all.length - 1);
    return joined(all.toSpliced(at, 2, all[at + 1] ?? "", all[at] ?? ""));
  },
  "a chunk taken out": (bytes, random) => {
    const all = lines(bytes);
    const cuts = all.flatMap((line, at) => (/^# bartizan (link|seal)/.test(line) ? [at] : []));
    const from = random.below(cuts.length - 1);
    return joined(all.toSpliced(cuts[from] ?? 0, (cuts[from + 1] ?? 0) - (cuts[from] ?? 0)));
  },
  "something behind it": (bytes, random) =>
    Buffer.concat([bytes, random.pick([Buffer.from("x"), Buffer.from("# y\n")])]),
  "a stranger's line in it": (bytes, random) => {
    const all = lines(bytes);
    const strange = [
      "\n",
      "{}\n",
      "5\n",
      '[1,"o"]\n',
      '[-1,"o","x"]\n',
      '[NaN,"o","x"]\n',
      '[1e999,"z","x"]\n',
      " # x\n",
    ];
    const more = [
      "# x\n",
      "# bartizan\n",
      "# bartizan new {\n",
      "# bartizan end\n",
      "# bartizan bytes !\n",
      '["\u00ff"]\n',
    ];
    const deep = [
      `${"[".repeat(70)}${"]".repeat(70)}\n`,
      `# bartizan left {"x":${"[".repeat(5000)}${"]".repeat(5000)}}\n`,
    ];
    return joined(all.toSpliced(random.below(all.length), 0, random.pick([...strange, ...more, ...deep])));
  },
  "of another key": (_bytes, random) => complete(random, other),
  "without its end": (_bytes, random) => session(random).take(),
  "with a gap": (_bytes, random) => {
    const maker = session(random);
    maker.gap(maker.out + 100, maker.lastMs, "\x1bcagain");
    maker.output("more", maker.lastMs + 5);
    maker.end({ kind: "exited", code: 0 });
    return maker.take();
  },
  "sealed by the next start": (_bytes, random) => {
    const maker = session(random);
    maker.end({ kind: "incomplete" });
    return maker.take();
  },
  "of another format": (bytes) => joined(lines(bytes).toSpliced(0, 1, '{"version":2,"width":80,"height":24}\n')),
  "not damaged": (bytes) => bytes,
};

describe("verifying", () => {
  it("agrees with a verifier that was written from the document alone, on whole and on damaged files", {
    timeout: 60_000,
  }, async () => {
    const random = randomFrom(4);
    const all = Object.entries(damages).flatMap(([name, damage]) =>
      Array.from({ length: name === "a bit flipped" ? 120 : 25 }, () => ({
        name,
        bytes: damage(complete(random), random),
      })),
    );
    const other = theirs(all.map(({ bytes }) => bytes));
    const own: string[] = [];
    for (const { bytes } of all) own.push(await verdictOf(bytes));
    const told = (verdicts: readonly string[]) => all.map(({ name }, index) => `${index} ${name}: ${verdicts[index]}`);
    expect(told(own)).toEqual(told(other));
    const of = (name: string) => [...new Set(own.filter((_, index) => all[index]?.name === name))].sort();
    expect(of("not damaged")).toEqual(["complete"]);
    for (const name of ["a line taken out", "a line twice", "a chunk taken out", "something behind it"])
      expect([name, ...of(name)]).toEqual([name, "altered"]);
    expect(of("of another key")).toEqual(["unsigned"]);
    expect(of("with a gap")).toEqual(["gap"]);
    expect(of("sealed by the next start")).toEqual(["incomplete"]);
    expect(of("of another format")).toEqual(["error"]);
    expect(of("a bit flipped").filter((verdict) => verdict === "complete")).toEqual([]);
  });

  it("tells an end that was cut off by the seal in the audit log", async () => {
    const bytes = complete(randomFrom(7));
    const { seal = "" } = await ours(bytes);
    const sealOf = () => seal;
    const cut = joined(lines(bytes).slice(0, -3));
    expect((await ours(bytes, { sealOf })).verdict).toBe("complete");
    expect((await ours(cut)).verdict).toBe("incomplete");
    expect((await ours(cut, { sealOf })).verdict).toBe("altered");
  });

  it("says where it is wrong", async () => {
    const bytes = complete(randomFrom(9));
    const second = (lines(bytes)[0]?.length ?? 0) + 3;
    const broken = Buffer.from(bytes);
    broken[second] = 0;
    const { verdict, detail } = await ours(broken);
    expect([verdict, detail]).toEqual(["altered", `at byte ${second - 3}: the second line does not say what it is of`]);
  });
});
