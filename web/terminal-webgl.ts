/** Draws a terminal by WebGL where that is fast, and lets it fall back to the DOM renderer where it is not. */

import type { Terminal } from "@xterm/xterm";

/** A browser has about 16 contexts for all its pages: a failed one is not tried again at once. */
const restMs = 60_000;

export interface Painter extends Disposable {
  /** True for the one terminal that is typed into; false gives the context back. */
  paintFast(on: boolean): void;
}

/** Starts with the DOM renderer. Says by `onChange` which of the two draws. */
export function createPainter(terminal: Terminal, onChange: (renderer: "webgl" | "dom") => void): Painter {
  let wanted = false;
  let notBeforeMs = 0;
  let addon: Disposable | undefined;

  async function begin(): Promise<void> {
    if (performance.now() < notBeforeMs || !hasFastWebgl()) return;
    const { WebglAddon } = await import("@xterm/addon-webgl");
    if (!wanted || addon !== undefined) return;
    const webgl = new WebglAddon();
    const lost = webgl.onContextLoss(() => {
      notBeforeMs = performance.now() + restMs;
      end();
    });
    try {
      terminal.loadAddon(webgl);
    } catch {
      // No context to be had after all; the DOM renderer is still there.
      lost.dispose();
      notBeforeMs = performance.now() + restMs;
      return;
    }
    addon = {
      [Symbol.dispose]() {
        lost.dispose();
        webgl.dispose();
      },
    };
    onChange("webgl");
  }

  function end(): void {
    const old = addon;
    addon = undefined;
    if (old === undefined) return;
    old[Symbol.dispose]();
    onChange("dom");
  }

  return {
    paintFast(on) {
      wanted = on;
      if (!on) end();
      else if (addon === undefined) begin().catch(() => {});
    },
    [Symbol.dispose]() {
      wanted = false;
      end();
    },
  };
}

/** WebGL that a processor emulates is slower than the DOM, and not every browser owns up to it by the context's flag. */
function hasFastWebgl(): boolean {
  const context = document.createElement("canvas").getContext("webgl2", { failIfMajorPerformanceCaveat: true });
  if (context === null) return false;
  const info = context.getExtension("WEBGL_debug_renderer_info");
  const renderer = String(context.getParameter(info?.UNMASKED_RENDERER_WEBGL ?? context.RENDERER));
  context.getExtension("WEBGL_lose_context")?.loseContext();
  return !/swiftshader|llvmpipe|softpipe|software|basic render/i.test(renderer);
}
