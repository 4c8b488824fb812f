import { spawnSync } from "node:child_process";
import { appendFileSync, copyFileSync, cpSync, existsSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { root } from "../house/sources.ts";

const modules = join(root, "node_modules");
const binding = join("ssh2", "lib", "protocol", "crypto", "build", "Release", "sshcrypto.node");
const bindingFile = join(modules, binding);

/** Makes objects of the binding named by the first argument, `count` of each kind that the bastion's ciphers use. */
const making = `
  const { randomBytes } = require("node:crypto");
  function make(file, count) {
    const { AESGCMCipher, AESGCMDecipher, GenericCipher, GenericDecipher } = require(file);
    const gcm = ["aes-128-gcm", randomBytes(16), randomBytes(12)];
    const ctr = ["aes-128-ctr", randomBytes(16), randomBytes(16), "sha256", randomBytes(32), true];
    return Array.from({ length: count }, () => [
      new AESGCMCipher(...gcm), new AESGCMDecipher(...gcm), new GenericCipher(...ctr), new GenericDecipher(...ctr, 32),
    ]);
  }
`;

function run(script: string) {
  const { status, signal, stdout, stderr } = spawnSync(process.execPath, ["-e", script, bindingFile], {
    encoding: "utf8",
    timeout: 60_000,
  });
  return { status, signal, stdout, stderr };
}

// Without a compiler there is no binding, and nothing to fear from it.
describe.skipIf(!existsSync(bindingFile))("ssh2's native part ends no process", () => {
  test("when its objects are collected at an allocation, where no context is entered", () => {
    const script = `${making}
      for (let round = 0; round < 5; round += 1) {
        make(process.argv[1], 300);
        let last;
        for (let each = 0; each < 3_000_000; each += 1) last = [each];
      }
      console.log("collected");`;
    expect(run(script)).toMatchObject({ stderr: "", stdout: "collected\n", status: 0 });
  });

  test("when its objects are in use as a thread, or the process itself, ends", () => {
    const script = `${making}
      const { Worker } = require("node:worker_threads");
      globalThis.kept = make(process.argv[1], 100);
      const code = ${JSON.stringify(`${making}
        const { parentPort, workerData } = require("node:worker_threads");
        globalThis.kept = make(workerData.file, 100);
        parentPort.postMessage("made");
        if (workerData.stays) setInterval(() => {}, 1000);`)};
      const ended = async (stays) => {
        const worker = new Worker(code, { eval: true, workerData: { file: process.argv[1], stays } });
        if (stays) worker.once("message", () => worker.terminate());
        await new Promise((resolve, reject) => worker.once("exit", resolve).once("error", reject));
      };
      ended(false).then(() => ended(true)).then(() => {
        console.log("ended");
        process.exit(0);
      });`;
    expect(run(script)).toMatchObject({ stderr: "", stdout: "ended\n", status: 0 });
  });

  test("because a build that could is not used, and why and what helps is said", () => {
    const folder = mkdtempSync(join(tmpdir(), "bartizan-library-"));
    try {
      for (const name of ["ssh2", "asn1", "bcrypt-pbkdf", "safer-buffer", "tweetnacl"])
        cpSync(join(modules, name), join(folder, "node_modules", name), { recursive: true });
      mkdirSync(join(folder, "server"));
      const door = join(folder, "server", "ssh-library.ts");
      copyFileSync(join(root, "server", "target", "ssh-library.ts"), door);
      const look = `import(${JSON.stringify(door)}).then(({ ssh2, nativeCrypto }) => {
        const key = ssh2.utils.parseKey(ssh2.utils.generateKeyPairSync("ecdsa", { bits: 256 }).private);
        console.log(JSON.stringify({ ...nativeCrypto, key: key.type }));
      })`;
      const key = "ecdsa-sha2-nistp256";
      expect(JSON.parse(run(look).stdout)).toEqual({ available: true, key });
      // It still loads, and imports nothing more; the name in it is what counts.
      appendFileSync(join(folder, "node_modules", binding), "_ZN4node28RemoveEnvironmentCleanupHookE");
      expect(JSON.parse(run(look).stdout)).toEqual({
        available: false,
        why: expect.stringContaining("could end the server"),
        help: expect.stringContaining("npm start"),
        key,
      });
      rmSync(join(folder, "node_modules", binding));
      expect(JSON.parse(run(look).stdout)).toMatchObject({
        available: false,
        why: expect.stringContaining("not built"),
      });
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });
});
