import { afterAll, beforeAll, expect, test } from "vitest";
import { fingerprint, parseHostKey } from "../../server/target/host-keys.ts";
import { dataOf, wholeAuditOf } from "../support/recordings-of.ts";
import { openSshd, publicKeyOf, type Sshd } from "../support/sshd.ts";
import { openTestBastion } from "../support/test-bastion.ts";
import { operate } from "../support/viewing.ts";

let sshd: Sshd;
beforeAll(async () => {
  sshd = await openSshd({ hostKeyTypes: ["ed25519"] });
});
afterAll(() => sshd[Symbol.asyncDispose]());

test("a session on a real host is noted with the host's key, who accepted it, and what was agreed (A22)", async () => {
  const target = { ...sshd.target, hostKeys: [] };
  await using bastion = await openTestBastion({ targets: [target], principals: { alice: ["operator"] } });
  const answers = [false, true];
  for (const accepted of [...answers]) {
    const operator = operate(bastion.clients("token-alice"), target.name, {
      onPrompt: ({ prompt }, shell) => shell.answer({ promptId: prompt.id, accepted, answers: [] }),
    });
    if (accepted) {
      await operator.started();
      await operator.shell.hangUp();
    }
    await operator.over.catch(() => {});
  }
  const hostKey = fingerprint(parseHostKey(publicKeyOf(sshd.hostKeyFiles[0] ?? "")) ?? Buffer.alloc(0));
  const seen = wholeAuditOf(dataOf(bastion)).filter(({ event }) =>
    /^(host-key-|session-(started|refused))/.test(String(event)),
  );
  const by = { who: "alice", target: target.name, address: "127.0.0.1" };
  expect(seen).toMatchObject([
    { event: "host-key-refused", cause: `not accepted: ${hostKey}`, ...by },
    { event: "session-refused", cause: "host-key-unknown", ...by },
    { event: "host-key-new", fingerprint: hostKey, ...by },
    {
      event: "session-started",
      hostKey,
      algorithms: expect.stringMatching(/^curve25519-\S+ ssh-ed25519 aes\S+$/),
      ...by,
    },
  ]);
});
