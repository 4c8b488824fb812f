/** The whole list of faults, slow ones included: `npm run test:faults`. The quick ones are part of `npm test`, too. */
import { defineConfig } from "vitest/config";
import usual from "../../vitest.config.ts";

export default defineConfig({
  ...usual,
  root: new URL("../..", import.meta.url).pathname,
  test: {
    ...usual.test,
    include: ["test/faults/*.test.ts"],
    env: { BARTIZAN_FAULTS: "all" },
    // Alone on the machine: waits of the real thing are part of what is tried.
    maxWorkers: 1,
  },
});
