import { expect, test } from "vitest";
import { openBrowser, openPageRig } from "../support/browser.ts";
import { createMemoryTarget } from "../support/memory-target.ts";
import { frontPane, openShellOn, shows } from "../support/page-parts.ts";

/** Lets WebGL that the processor emulates pass for that of a graphics card. */
const pretendCard = `{
  const { getContext } = HTMLCanvasElement.prototype;
  HTMLCanvasElement.prototype.getContext = function (kind, wishes) {
    return getContext.call(this, kind, { ...wishes, failIfMajorPerformanceCaveat: false });
  };
  const { getParameter } = WebGL2RenderingContext.prototype;
  const unmaskedRenderer = 0x9246;
  WebGL2RenderingContext.prototype.getParameter = function (name) {
    return name === unmaskedRenderer || name === this.RENDERER ? "A card" : getParameter.call(this, name);
  };
}`;

test("a terminal drawn by WebGL goes on by the DOM when its context is lost, with all that is on the screen", async () => {
  await using browser = await openBrowser("--enable-unsafe-swiftshader", "--use-angle=swiftshader");
  const memory = createMemoryTarget({ name: "play" });
  await using rig = await openPageRig(browser, { targets: [memory.target], dial: memory.dial });
  const page = await rig.open({ script: pretendCard });
  await openShellOn(page, "play");
  await page.locator('[data-renderer="webgl"]').waitFor();
  await memory.pty().print("drawn before");
  const lost = await frontPane(page)
    .locator("canvas")
    .evaluateAll((canvases) => {
      const contexts = canvases.map((canvas) => (canvas as HTMLCanvasElement).getContext("webgl2"));
      const losers = contexts.map((context) => context?.getExtension("WEBGL_lose_context"));
      for (const loser of losers) loser?.loseContext();
      return losers.filter(Boolean).length;
    });
  expect(lost).toBeGreaterThan(0);
  await page.locator('[data-renderer="dom"]').waitFor();
  await shows(page, "drawn before");
  await memory.pty().print(" and after");
  await shows(page, "drawn before and after");
});
