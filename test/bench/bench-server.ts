/** The server under measurement, in a process of its own: told its target over IPC, tells its address, ends with its parent. */
import type { Target } from "../../server/target/target.ts";
import { openTestBastion } from "../support/test-bastion.ts";

process.once("message", async (target: Target) => {
  const bastion = await openTestBastion({ targets: [target], config: { maxSessionsPerPrincipal: 1000 } });
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
