import { randomBytes, randomInt } from "node:crypto";
import { createClient } from "@connectrpc/connect";
import { expect, it } from "vitest";
import { bearer } from "../../proto/client/index.ts";
import { createNodeTransport } from "../../proto/client/node-transport.ts";
import { AccessService } from "../../proto/gen/bartizan/v1/access_pb.ts";
import { openTestBastion } from "../support/test-bastion.ts";

/** How often a value of the one list is above one of the other: a half when they cannot be told apart. */
function above(one: readonly number[], other: readonly number[]): number {
  const all = [...one.map((ms) => ({ ms, ours: true })), ...other.map((ms) => ({ ms, ours: false }))];
  all.sort((a, b) => a.ms - b.ms);
  let [below, wins] = [0, 0];
  for (const { ours } of all) {
    if (ours) wins += below;
    else below += 1;
  }
  return wins / (one.length * other.length);
}

it("A13: how long a refusal takes tells nothing: unknown, known, wrong and nearly right tokens", async () => {
  const endless = { burst: 1e9, everyMs: 1 };
  const throttle = { net: endless, name: endless, nameAndNet: endless, everybody: endless };
  await using bastion = await openTestBastion({ throttle, principals: { alice: ["operator"] } });
  const lasts = { seconds: 3600n };
  const { token } = await bastion.clients("token-alice").access.createToken({ label: "x", lasts });
  const secret = () => randomBytes(32).toString("base64url");
  const [, id] = token.split("_");
  const nearly = (whole: string) => `${whole.slice(0, -1)}${whole.endsWith("w") ? "x" : "w"}`;
  /** By form, which whoever tries chooses himself. */
  const forms: Record<string, Record<string, () => string>> = {
    api: {
      "no such id": () => `bzt_${"a".repeat(16)}_${secret()}`,
      "an id that there is": () => `bzt_${id}_${secret()}`,
      "an API token but its last letter": () => nearly(token),
    },
    local: {
      anything: () => `btz_${secret()}`,
      "the local token but its last letter": () => nearly(bastion.token),
    },
  };
  const kinds = Object.assign({}, ...Object.values(forms)) as Record<string, () => string>;
  let shown = "";
  using transport = createNodeTransport({ baseUrl: bastion.url, interceptors: [bearer(() => shown)] });
  const access = createClient(AccessService, transport);
  const took = Object.fromEntries(Object.keys(kinds).map((kind) => [kind, [] as number[]]));
  const names = Object.keys(kinds);
  for (let attempt = 0; attempt < 2200; attempt += 1) {
    const kind = names[randomInt(names.length)] ?? "";
    shown = kinds[kind]?.() ?? "";
    const begunMs = performance.now();
    await access.whoAmI({}).then(
      () => expect.unreachable("it was let in"),
      () => {},
    );
    // What comes first is the program warming up.
    if (attempt >= 200) took[kind]?.push(performance.now() - begunMs);
  }
  const shares = Object.values(forms)
    .map((form) => Object.keys(form))
    .flatMap((same) =>
      same.flatMap((one, at) =>
        same.slice(at + 1).map((other) => [`${one} / ${other}`, above(took[one] ?? [], took[other] ?? [])] as const),
      ),
    );
  for (const [pair, share] of shares) expect(Math.abs(share - 0.5), `${pair}: ${share.toFixed(3)}`).toBeLessThan(0.1);
});
