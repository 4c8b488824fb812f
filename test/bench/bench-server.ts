/** The server under measurement, in a process of its own: told its target over IPC, tells its address, ends with its parent. */
import type { Target } from "../../server/target/target.ts";
import { openTestBastion } from "../support/test-bastion.ts";
import { manyPolicies } from "./many-policies.ts";

export interface BenchOrder {
  readonly target: Target;
  readonly recording: boolean;
  /** So many policies are written; 0: none. */
  readonly policies: number;
}

process.once("message", async ({ target, recording, policies }: BenchOrder) => {
  const bastion = await openTestBastion({
    ...{ targets: [target], config: { maxSessionsPerPrincipal: 1000, policies: manyPolicies(policies) } },
    ...(recording ? {} : { recording: false }),
  });
  const stop = async () => {
    try {
      await bastion[Symbol.asyncDispose]();
    } finally {
      process.exit(0);
    }
  };
  process.send?.({ url: bastion.url, token: bastion.token });
  process.once("disconnect", () => void stop());
});
