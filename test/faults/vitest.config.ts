/** The whole list of faults, slow ones included: `npm run test:faults`. The quick ones are part of `npm test`, too. */
import { defineConfig, mergeConfig } from "vitest/config";
import usual from "../../vitest.config.ts";

export default mergeConfig(
  usual,
  defineConfig({
    root: new URL("../..", import.meta.url).pathname,
    test: { include: ["test/faults/*.test.ts"], env: { BARTIZAN_FAULTS: "all" }, maxWorkers: 1 },
  }),
);
