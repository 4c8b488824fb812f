import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import {
  appendFileSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { bearer, createClients } from "../../proto/client/index.ts";
import { createNodeTransport } from "../../proto/client/node-transport.ts";
import { openCatalogue } from "../../server/recording/catalogue.ts";
import { castPath, isRecordingId, recordingIdOf } from "../../server/recording/recording-id.ts";
import { castBytes, readCast } from "../support/cast-reader.ts";
import { createMemoryTarget } from "../support/memory-target.ts";
import { randomFrom } from "../support/random.ts";
import { auditOf, castFiles, onlyCast, publicKeyOf } from "../support/recordings-of.ts";
import { openSshd, type Sshd } from "../support/sshd.ts";
import { openTestBastion } from "../support/test-bastion.ts";
import { until } from "../support/until.ts";
import { type OperatorViewing, operate } from "../support/viewing.ts";
import { keyFrom, makeCast, startFor } from "./cast-maker.ts";

const main = new URL("../../server/main.ts", import.meta.url).pathname;
let sshd: Sshd;
let folder: string;
let data: string;
beforeAll(async () => {
  sshd = await openSshd({ config: ["MaxStartups 500"] });
  folder = mkdtempSync(join(tmpdir(), "bartizan-crash-"));
  data = join(folder, "state", "bartizan");
  const { host, port, user, credentials, hostKeys } = sshd.target;
  const target = { name: "real", host, port, user, key: credentials.keyFile, hostKey: hostKeys };
  const listen = { port: 0 };
  writeFileSync(
    join(folder, "bartizan.yaml"),
    JSON.stringify({ listen, sshConfig: false, demo: false, targets: [target], log: "warn" }),
  );
});
afterAll(async () => {
  rmSync(folder, { recursive: true, force: true });
  await sshd[Symbol.asyncDispose]();
});

interface Served extends AsyncDisposable {
  readonly child: ChildProcess;
  readonly said: () => string;
  readonly exit: Promise<unknown>;
  url(): Promise<string>;
}

function serve(config = "bartizan.yaml"): Served {
  const env = {
    PATH: process.env.PATH,
    HOME: folder,
    XDG_STATE_HOME: join(folder, "state"),
    NODE_COMPILE_CACHE: join(folder, "compiled"),
  };
  const child = spawn(process.execPath, [main, "serve", "--config", join(folder, config)], { env });
  let said = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk) => (said += chunk));
  const exit = once(child, "close").then(([code]) => code);
  return {
    ...{ child, exit, said: () => said },
    url: () => until(() => /listens on (\S+)/.exec(said)?.[1], "the server listens"),
    async [Symbol.asyncDispose]() {
      child.kill("SIGKILL");
      await exit;
    },
  };
}

function clientsOf(url: string) {
  const token = readFileSync(join(data, "token"), "utf8").trim();
  const transport = createNodeTransport({ baseUrl: url, interceptors: [bearer(token)] });
  return Object.assign(createClients(transport), { [Symbol.dispose]: () => transport[Symbol.dispose]() });
}

const programs = [
  "stty raw -echo; while :; do head -c 20000 /dev/urandom; sleep 0.01; done\n",
  "stty -echo; i=0; while :; do i=$((i+1)); printf 'l\\303\\244uft %s \\346\\274\\242\\345\\255\\227\\n' $i; sleep 0.002; done\n",
  "stty -echo; while :; do seq 1 3000; sleep 0.02; done\n",
];

/** Runs what every row of the list says of the files; the server must not run. */
function listed() {
  using catalogue = openCatalogue(join(data, "recordings.db"));
  return catalogue.list({}, 1000);
}

describe("a server that is killed", () => {
  test("50 times at random moments loses no byte that anybody saw: every file is sealed and listed by the next start", {
    timeout: 600_000,
  }, async () => {
    const random = randomFrom(50);
    const key = () => publicKeyOf(data);
    let checked = 0;
    const check = (before: ReadonlySet<string>, viewings: readonly OperatorViewing[]) => {
      const fresh = castFiles(data).filter((path) => !before.has(path));
      const casts = fresh.map((path) => readCast(path, key()));
      for (const viewing of viewings) {
        const started = viewing.events.find((event) => event.kind === "started");
        if (started?.kind !== "started") continue;
        const cast = casts.find(({ start }) => start.session === started.session.id);
        expect(cast?.final).toEqual({ kind: "incomplete" });
        for (const event of viewing.events) {
          if (event.kind !== "output") continue;
          const there = cast?.output.subarray(event.offset, event.offset + event.bytes.length);
          if (there === undefined || !there.equals(event.bytes)) throw new Error(`lost at ${event.offset}`);
        }
        checked += 1;
      }
      for (const path of fresh) for (const form of [path, `${path}.zst`]) rmSync(form, { force: true });
    };
    let before: ReadonlySet<string> = new Set();
    let viewings: OperatorViewing[] = [];
    for (let round = 0; round <= 50; round += 1) {
      await using server = serve();
      const url = await server.url();
      if (viewings.length > 0) {
        const sealed = () => castFiles(data).every((path) => castBytes(path).includes('"final":'));
        await until(sealed, "all files are sealed", 20_000);
        check(before, viewings);
      }
      if (round === 50) break;
      using clients = clientsOf(url);
      before = new Set(castFiles(data));
      viewings = programs.map((program) => {
        const viewing = operate(clients, "real");
        viewing
          .started()
          .then(() => viewing.type(program))
          .catch(() => {});
        return viewing;
      });
      await until(() => viewings.some((each) => each.bytes().length > 5000), "some output");
      await new Promise((resolve) => setTimeout(resolve, random.below(300)));
      server.child.kill("SIGKILL");
      await server.exit;
      await Promise.all(viewings.map((each) => each.over.catch(() => {})));
    }
    expect(checked).toBeGreaterThan(100);
    const states = new Set(listed().map(({ state }) => state));
    // Their files were removed by the test, and later starts saw that.
    expect([...states].every((state) => state === "missing" || state === "incomplete")).toBe(true);
    expect(auditOf(data).filter(({ event }) => event === "recording-reconciled").length).toBeGreaterThan(100);
  });

  test("frees its data folder; while it runs a second one refuses, and says why", async () => {
    {
      await using first = serve();
      await first.url();
      await using second = serve();
      expect(await second.exit).toBe(2);
      expect(second.said()).toContain(`Another bartizan runs on the data folder ${data}`);
      first.child.kill("SIGKILL");
      await first.exit;
    }
    await using third = serve();
    await third.url();
  });

  test("shares its folder of recordings with no other server, whatever data folder that has", async () => {
    const recordings = join(data, "recordings");
    const other = `data: ${join(folder, "other")}\nlisten: { port: 0 }\nsshConfig: false\nrecording: { folder: ${recordings} }\n`;
    writeFileSync(join(folder, "other.yaml"), other);
    await using first = serve();
    await first.url();
    await using second = serve("other.yaml");
    expect(await second.exit).toBe(2);
    expect(second.said()).toContain(`Another bartizan runs on the folder of recordings ${recordings}`);
  });
});

describe("the next start", () => {
  /** A folder with one recording that ended well, and what its server did afterwards. */
  async function recordedOnce(print: readonly (string | Buffer)[] = ["hello 漢"]) {
    const memory = createMemoryTarget();
    const bastion = await openTestBastion({ targets: [memory.target], dial: memory.dial });
    const kept = mkdtempSync(join(tmpdir(), "bartizan-kept-"));
    await using shell = operate(bastion.clients(), "memory");
    await shell.started();
    for (const each of print) await memory.pty().print(each);
    memory.pty().exit({ kind: "exited", code: 0 });
    await shell.ended();
    renameSync(bastion.folder, join(kept, "moved"));
    await bastion[Symbol.asyncDispose]();
    const own = join(kept, "moved", "state", "bartizan");
    const [path = ""] = castFiles(own);
    return { own, path, [Symbol.dispose]: () => rmSync(kept, { recursive: true, force: true }) };
  }

  async function restarted(own: string, look: (find: ReturnType<typeof openCatalogue>) => boolean) {
    await using _bastion = await openTestBastion({
      config: { data: own, recording: { folder: join(own, "recordings") } },
    });
    using catalogue = openCatalogue(join(own, "recordings.db"));
    await until(() => look(catalogue), "the list is put right");
  }

  test("lists all recordings again when the list is lost, also those that are packed", async () => {
    using kept = await recordedOnce();
    const cast = onlyCast(kept.own);
    const loseList = () => {
      for (const name of readdirSync(kept.own)) if (name.startsWith("recordings.db")) rmSync(join(kept.own, name));
    };
    const asItWas = (catalogue: ReturnType<typeof openCatalogue>) => {
      const [row] = catalogue.list({}, 10);
      const right = row?.state === "sealed" && row.seal === cast.finalHash && row.outputBytes === cast.output.length;
      return right ? row : undefined;
    };
    loseList();
    await restarted(kept.own, (catalogue) => asItWas(catalogue) !== undefined);
    await restarted(kept.own, (catalogue) => asItWas(catalogue)?.compressed === true);
    loseList();
    await restarted(kept.own, (catalogue) => asItWas(catalogue)?.compressed === true);
  });

  test("lists one with a hole as damaged when the list is lost", async () => {
    using kept = await recordedOnce();
    const start = startFor(7);
    const cast = makeCast(start, keyFrom(readFileSync(join(kept.own, "recording-key"), "utf8")));
    cast.output("before", 10);
    cast.gap(cast.out + 100, 20, "\x1bcagain");
    cast.output("after", 30);
    cast.end({ kind: "exited", code: 0 });
    writeFileSync(castPath(join(kept.own, "recordings"), start.id), cast.take());
    await restarted(kept.own, (catalogue) => catalogue.find(start.id)?.state === "damaged");
  });

  test("marks as missing what is gone, and lists it again when it is back", async () => {
    using kept = await recordedOnce();
    renameSync(kept.path, `${kept.path}.away`);
    await restarted(kept.own, (catalogue) => catalogue.list({}, 10)[0]?.state === "missing");
    expect(auditOf(kept.own).at(-1)?.event).toBe("recording-missing");
    renameSync(`${kept.path}.away`, kept.path);
    await restarted(kept.own, (catalogue) => catalogue.list({}, 10)[0]?.state === "sealed");
  });

  test("cuts a torn file anywhere, and seals what is whole", { timeout: 60_000 }, async () => {
    using kept = await recordedOnce([
      "plain ",
      Buffer.from([0xff, 0x80, 0x20]),
      "漢字 ",
      Buffer.from("漢").subarray(0, 2),
    ]);
    const whole = readFileSync(kept.path);
    const { output } = onlyCast(kept.own);
    const first = whole.indexOf("\n", whole.indexOf("# bartizan start")) + 1;
    const places = Array.from(
      { length: 40 },
      (_, index) => first + Math.floor(((whole.length - first - 2) * index) / 39),
    );
    const made = places.map((at, index) => {
      const id = index.toString(16).padStart(32, "0");
      const text = whole.subarray(0, at);
      // The same session under another name: its own file says which, so each copy gets its own id in `start`.
      writeFileSync(
        castPath(join(kept.own, "recordings"), id),
        replaced(text, recordingIdOf(kept.path.split("/").pop() ?? "") ?? "", id, index),
      );
      return id;
    });
    rmSync(kept.path);
    await restarted(kept.own, (catalogue) => made.every((id) => (catalogue.find(id)?.seal ?? "") !== ""));
    for (const id of made) {
      const path = castPath(join(kept.own, "recordings"), id);
      const text = castBytes(path).toString("utf8");
      // Copies keep the links of the original chain: only those cut before its first seal verify under the new name.
      if (text.split("# bartizan seal").length > 2) continue;
      const cast = readCast(path, publicKeyOf(kept.own));
      expect(output.subarray(0, cast.output.length)).toEqual(cast.output);
      expect(cast.comments("end").length).toBe(1);
    }
  });

  test("leaves alone what is no recording: links, foreign names, foreign contents", async () => {
    using kept = await recordedOnce();
    const files = join(kept.own, "recordings");
    const secret = join(kept.own, "secret");
    writeFileSync(secret, "not to be touched");
    symlinkSync(secret, castPath(files, "a".repeat(32)));
    writeFileSync(join(files, "..cast"), "x");
    writeFileSync(join(files, `${"B".repeat(32)}.cast`), "x");
    appendFileSync(castPath(files, "c".repeat(32)), readFileSync(kept.path));
    rmSync(join(kept.own, "recordings.db"));
    await restarted(kept.own, (catalogue) => catalogue.list({}, 10).length === 1);
    expect(readFileSync(secret, "utf8")).toBe("not to be touched");
    expect(readdirSync(files).filter((name) => name.endsWith(".cast")).length).toBe(5);
  });
});

/** Another id in `start`, which stands before the first cutting line, and another session. */
function replaced(text: Buffer, from: string, to: string, index: number): Buffer {
  const session = /"session":"([^"]+)"/.exec(text.toString("latin1"))?.[1] ?? "";
  const end = text.indexOf("\n", text.indexOf("# bartizan start")) + 1;
  const head = text
    .subarray(0, end)
    .toString("utf8")
    .replace(from, to)
    .replace(`"${session}"`, `"${session.slice(0, -2)}${String(index).padStart(2, "0")}"`);
  return Buffer.concat([Buffer.from(head), text.subarray(end)]);
}

test("a path is made of nothing but 32 small hexadecimal digits", () => {
  const id = "0123456789abcdef".repeat(2);
  expect(castPath("/r", id)).toBe(`/r/${id}.cast`);
  for (const bad of [
    "",
    "..",
    "../../etc/passwd",
    `${id}\0`,
    `${id}/`,
    `${id}\n`,
    id.toUpperCase(),
    `${id}0`,
    "%2e%2e",
    ".".repeat(32),
  ]) {
    expect(isRecordingId(bad)).toBe(false);
    expect(() => castPath("/r", bad)).toThrow("There is no such recording.");
  }
});
