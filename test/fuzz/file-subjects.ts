/** Files of others: recordings, packed and plain, the config, ssh_config, known_hosts. In this process. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { zstdCompressSync } from "node:zlib";
import { parseConfig } from "../../server/config.ts";
import { readHead } from "../../server/recording/cast-head.ts";
import { exportV2 } from "../../server/recording/export-cast.ts";
import { readMarkers } from "../../server/recording/markers.ts";
import { openRecordingFile } from "../../server/recording/recording-file.ts";
import { encodeSeekTable } from "../../server/recording/seekable-zstd.ts";
import { verifyRecording } from "../../server/recording/verify.ts";
import { parseSshConfig } from "../../server/target/ssh-config-parse.ts";
import { makeCast, makeKey, startFor } from "../recording/cast-maker.ts";
import type { Random } from "../support/random.ts";
import { mutate } from "./mutate.ts";
import { assertPrototypes, Finding, hangMs, type Subject, timed } from "./subject.ts";

const rssBytes = () => process.memoryUsage.rss();
const nothing = async () => {};

/** Verifies, exports and reads the marks of recordings that are nearly whole. */
export function recordings(): Subject {
  const folder = mkdtempSync(join(tmpdir(), "bartizan-fuzz-"));
  const signal = new AbortController().signal;
  const key = makeKey();
  const cast = makeCast(startFor(1), key);
  for (let second = 0; second < 20; second += 1) {
    cast.output(`line ${second}\r\n\x1b[31m\u{1f600}\xff`, second * 500);
    if (second % 5 === 0) cast.resize({ cols: 80 + second, rows: 24 }, second * 500);
    if (second % 7 === 0) cast.comment("joined", { at: cast.out, who: "bob", role: "watcher" });
  }
  cast.seal();
  const whole = cast.take();
  let count = 0;
  const uses = [
    async (path: string) => {
      await using file = await openRecordingFile(path);
      const { verdict } = await verifyRecording(file, { keyOf: () => key.publicKey, signal });
      if (!["complete", "incomplete", "gap", "altered", "unsigned"].includes(verdict)) throw new Error(verdict);
    },
    async (path: string) => {
      await using file = await openRecordingFile(path);
      const { bodyPosition } = await readHead(file, signal);
      await readMarkers(file, { position: bodyPosition, atMs: 0, markers: [] }, signal);
    },
    async (path: string) => {
      await using file = await openRecordingFile(path);
      for await (const _ of exportV2(file, signal));
    },
  ];
  /** What readers may say of a file: all else is a fault of theirs. */
  const known = /^(BartizanFault|DamagedRecording|UnknownFormatError)$/;
  return {
    ...{ name: "recording import", atOnce: 4, rssBytes, check: async () => assertPrototypes() },
    async step(random) {
      const plain = random.below(10) === 0 ? random.bytes(random.below(3000)) : mutate(random, whole);
      const input = random.below(4) === 0 ? mutate(random, packed(plain)) : plain;
      const path = join(folder, `${(count++).toString(16)}.cast`);
      writeFileSync(path, input);
      const before = process.threadCpuUsage();
      for (const use of uses)
        await use(path).catch((error: Error) => {
          if (!known.test(error.name)) throw new Finding(`a reader failed: ${error.stack}`, input, error);
        });
      if (process.threadCpuUsage(before).user / 1000 > 5 * hangMs) throw new Finding("the readers hang", input);
      rmSync(path);
    },
    [Symbol.asyncDispose]: async () => rmSync(folder, { recursive: true, force: true }),
  };
}

function packed(plain: Uint8Array): Buffer {
  const frame = zstdCompressSync(plain);
  return Buffer.concat([frame, encodeSeekTable([{ compressedBytes: frame.length, plainBytes: plain.length }])]);
}

const configs = [
  `listen: { host: 127.0.0.1, port: 7322, names: [a.example], tls: { cert: a.pem, key: b.pem } }
targets:
  - { name: web1, host: 10.0.0.5, port: 22, user: deploy, labels: { team: shop, __proto__: x }, allowLocal: true }
  - name: web2
    host: "[::1]"
    hostKey: ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ1cWzhwXyrV0Ok7ZpzR0lBXCGJ7mTrUvkZcO5p3bX2q
principals:
  - { name: alice, roles: [operator, auditor], tokenSha256: "${"0".repeat(64)}" }
watching: { visible: false }
recording: { folder: /srv/r, reserveBytes: 5, bestEffort: { tier: x } }
retention: { days: 365, bytes: 5 }
`,
  "a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]\n",
  "? [complex, key]\n: !!binary aGVsbG8=\n--- \n{a: 1}\n...\n",
  `x: ${"[".repeat(2000)}\n`,
  `labels:\n${"  ".repeat(300)}- deep\n`,
];

/** The config either is taken or has problems with lines. */
export function config(): Subject {
  return {
    ...{ name: "config", atOnce: 1, rssBytes, check: async () => assertPrototypes(), [Symbol.asyncDispose]: nothing },
    async step(random) {
      const input = mutate(random, Buffer.from(random.pick(configs)));
      let parsed: ReturnType<typeof parseConfig>;
      try {
        parsed = timed(input, () => parseConfig(input.toString("utf8")));
      } catch (error) {
        if (error instanceof Finding) throw error;
        throw new Finding(`it throws: ${(error as Error).stack}`, input, error);
      }
      if ("problems" in parsed && !parsed.problems.every(({ line }) => Number.isInteger(line) && line >= 1))
        throw new Finding("a problem has no line", input);
      assertPrototypes(input);
    },
  };
}

const sshConfigs = [
  'Host web1 web2 !web3\n  HostName %h.example\n  Port 22\n  IdentityFile "~/.ssh/id %d"\nMatch host *.a user b\n  User x\nInclude a*\n',
  'Host "a b" *.c\n\tUser=root\nMatch exec "touch /tmp/x"\nHost *\n ProxyJump none\n',
];

export function sshConfig(): Subject {
  return {
    ...{
      name: "ssh_config",
      atOnce: 1,
      rssBytes,
      check: async () => assertPrototypes(),
      [Symbol.asyncDispose]: nothing,
    },
    async step(random: Random) {
      const input = mutate(random, Buffer.from(random.pick(sshConfigs)));
      try {
        timed(input, () => [...parseSshConfig(input.toString("utf8"), [])]);
      } catch (error) {
        throw error instanceof Finding ? error : new Finding(`it throws: ${(error as Error).stack}`, input, error);
      }
    },
  };
}
