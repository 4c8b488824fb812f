/** How the tests run: one process per file, two at a time, real parts of this machine. */
import { defaultServerConditions } from "vite";
import { defineConfig } from "vitest/config";

export default defineConfig({
  // The package's own name leads to its sources, not to what was packed.
  ssr: { resolve: { conditions: ["bartizan-source", ...defaultServerConditions] } },
  test: {
    include: ["test/**/*.test.ts"],
    pool: "forks",
    maxWorkers: 2,
    // Upper bounds for a machine that does much else; nothing waits for them.
    testTimeout: 120_000,
    hookTimeout: 120_000,
    globalSetup: ["test/house/machine.ts"],
  },
});
