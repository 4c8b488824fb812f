/** Holds the contract for strangers: Debian's Python with gRPC and code it generates from our .proto files. */
import { spawn, spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { openDemo } from "../../server/target/demo.ts";
import { root } from "../house/sources.ts";
import { openTestBastion } from "../support/test-bastion.ts";

// Debian's own: another python3 may be first on PATH.
const python = "/usr/bin/python3";

function generatedStubs(): { readonly folder: string } & Disposable {
  const folder = mkdtempSync(join(tmpdir(), "bartizan-python-"));
  const proto = join(root, "proto");
  const files = readdirSync(join(proto, "bartizan", "v1")).map((name) => join("bartizan", "v1", name));
  const args = ["-m", "grpc_tools.protoc", `-I${proto}`, `--python_out=${folder}`, `--grpc_python_out=${folder}`];
  const { status, stderr } = spawnSync(python, [...args, ...files], { cwd: proto, encoding: "utf8" });
  expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
  return { folder, [Symbol.dispose]: () => rmSync(folder, { recursive: true, force: true }) };
}

test("a Python program opens a shell on the demo target, watches it, and ends it", async () => {
  using stubs = generatedStubs();
  const living = new AbortController();
  await using demo = await openDemo(living.signal, { home: tmpdir() });
  await using bastion = await openTestBastion({
    targets: [demo.target],
    principals: { olga: ["operator"], ada: ["auditor"], max: ["admin"] },
  });
  const child = spawn(python, [join(root, "test", "strangers", "stranger.py"), `127.0.0.1:${bastion.port}`, "demo"], {
    env: {
      PATH: "/usr/bin:/bin",
      PYTHONPATH: stubs.folder,
      TOKEN_OPERATOR: "token-olga",
      TOKEN_AUDITOR: "token-ada",
      TOKEN_ADMIN: "token-max",
    },
  });
  let said = "";
  let complained = "";
  child.stdout.on("data", (chunk) => {
    said += chunk;
  });
  child.stderr.on("data", (chunk) => {
    complained += chunk;
  });
  await new Promise((resolve) => child.on("close", resolve));
  expect(complained).toBe("");
  expect(said.trim().split("\n")).toEqual([
    "targets: demo",
    "started: demo",
    "operator saw: sum-42",
    "watcher began with: state sum-42",
    "watcher saw: product-42",
    "auditor's kick: PERMISSION_DENIED",
    "kick: KICK_OUTCOME_ENDED 1",
    "operator ended: kicked by max: lunch",
    "watcher ended: kicked by max: lunch",
  ]);
});
