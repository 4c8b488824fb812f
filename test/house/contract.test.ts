/** Holds the contract: its style, that it only grows, and that the generated code is what it says. */
import { spawnSync } from "node:child_process";
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { Code } from "@connectrpc/connect";
import { expect, test } from "vitest";
import { parseConfig } from "../../server/config.ts";
import { faultWords } from "../../server/errors.ts";
import { codeOf } from "../../server/rpc/errors.ts";
import { root } from "./sources.ts";

const baseline = join(root, "test", "fixtures", "contract.binpb");
const bin = join(root, "node_modules", ".bin");

function buf(folder: string, ...args: string[]): { status: number | null; output: string } {
  const env = { ...process.env, PATH: `${bin}${delimiter}${process.env.PATH}` };
  const { status, stdout, stderr } = spawnSync(join(bin, "buf"), args, { cwd: folder, encoding: "utf8", env });
  return { status, output: stdout + stderr };
}

/** The contract's files in a folder of their own. */
function copyOfContract(): { readonly folder: string } & Disposable {
  const folder = mkdtempSync(join(tmpdir(), "bartizan-contract-"));
  for (const name of ["buf.yaml", "buf.gen.yaml"]) cpSync(join(root, name), join(folder, name));
  cpSync(join(root, "proto", "bartizan"), join(folder, "proto", "bartizan"), { recursive: true });
  return { folder, [Symbol.dispose]: () => rmSync(folder, { recursive: true, force: true }) };
}

test("the contract follows the STANDARD rules and every part of it is commented", () => {
  expect(buf(root, "lint")).toEqual({ status: 0, output: "" });
  expect(buf(root, "format", "-d", "--exit-code")).toEqual({ status: 0, output: "" });
});

test("the contract still serves everybody who uses the published one", () => {
  expect(buf(root, "breaking", "--against", baseline)).toEqual({ status: 0, output: "" });
});

test("a field renamed in the contract is noticed", () => {
  using copy = copyOfContract();
  const file = join(copy.folder, "proto", "bartizan", "v1", "session.proto");
  const text = readFileSync(file, "utf8");
  expect(text).toContain("string reason = 3;");
  writeFileSync(file, text.replace("string reason = 3;", "string motive = 3;"));
  const { status, output } = buf(copy.folder, "breaking", "--against", baseline);
  expect(status).not.toBe(0);
  expect(output).toContain('Field "3"');
});

test("the generated code is what the contract generates", () => {
  using copy = copyOfContract();
  expect(buf(copy.folder, "generate").output).toBe("");
  const generated = (base: string) =>
    Object.fromEntries(
      readdirSync(join(base, "proto", "gen"), { recursive: true, withFileTypes: true })
        .filter((entry) => entry.isFile())
        .map((entry) => [entry.name, readFileSync(join(entry.parentPath, entry.name), "utf8")]),
    );
  expect(generated(root)).toEqual(generated(copy.folder));
});

test("docs/errors.md tells every fault with the code it has on the wire", () => {
  const page = readFileSync(join(root, "docs", "errors.md"), "utf8");
  const told = [...page.matchAll(/^\| `([a-z-]+)`\s* \| (\w+)\s* \|/gm)].map(([, word, code]) => `${word} ${code}`);
  const snake = (name: string) => name.replace(/(?<=[a-z])[A-Z]/g, "_$&").toLowerCase();
  expect(told).toEqual(faultWords.map((word) => `${word} ${snake(Code[codeOf[word]])}`));
});

test("the example in docs/config.md is a config that the server takes", () => {
  const example = /```yaml\n([\s\S]*?)```/.exec(readFileSync(join(root, "docs", "config.md"), "utf8"))?.[1] ?? "";
  const digest = example.replace("64 hexadecimal digits", "0".repeat(64));
  expect(digest).not.toBe(example);
  expect(parseConfig(digest)).toHaveProperty("file.targets.0.name", "web1");
});
