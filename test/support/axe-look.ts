/** Looks at a page with axe-core: give its code to the page as a script, then ask for what is seriously wrong. */
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import type { AxeResults } from "axe-core";
import type { Page } from "playwright-core";
import { until } from "./until.ts";

export const axeCode = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

/** Nothing that comes to an end is moving; a loader turns for ever. */
function isStill(): boolean {
  const timings = document.getAnimations().map(({ effect }) => effect?.getComputedTiming());
  return timings.every((timing) => timing?.endTime === Number.POSITIVE_INFINITY || timing?.progress === 1);
}

/** Waits until what appears has appeared. One line for each serious or critical fault; throws when next to nothing was looked at. */
export async function seriousFaults(page: Page, where: string): Promise<string[]> {
  await until(() => page.evaluate(isStill), "what appears has appeared");
  const { violations, passes } = await page.evaluate(() => {
    const { axe } = globalThis as unknown as { axe: { run(): Promise<AxeResults> } };
    return axe.run();
  });
  if (passes.length < 10) throw new Error(`axe-core looked at next to nothing: ${where}`);
  return violations
    .filter(({ impact }) => impact === "serious" || impact === "critical")
    .flatMap(({ id, nodes }) =>
      nodes
        .slice(0, 3)
        .map(({ target, failureSummary }) => `${where}: ${id} at ${target.join(" ")}: ${failureSummary}`),
    );
}
