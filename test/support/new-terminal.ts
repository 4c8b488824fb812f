/** Headless terminals for tests, as the screen worker makes them, and a way to write to one that is done when it returns. */
import unicode11 from "@xterm/addon-unicode11";
import xterm from "@xterm/headless";
import { clampCsiCounts } from "../../proto/client/csi-clamps.ts";
import type { TermSize } from "../../server/events.ts";
import { coreOf } from "../../server/session/xterm-internals.ts";

export type TestTerminal = InstanceType<typeof xterm.Terminal>;

/** Without scrollback, with clamps, silent. */
export function newTerminal({ cols, rows }: TermSize): TestTerminal {
  const terminal = new xterm.Terminal({ cols, rows, scrollback: 0, allowProposedApi: true, logLevel: "off" });
  terminal.loadAddon(new unicode11.Unicode11Addon());
  terminal.unicode.activeVersion = "11";
  clampCsiCounts(terminal);
  return terminal;
}

/** Parses `bytes` before it returns. */
export function feed(terminal: object, bytes: Uint8Array | string): void {
  const data = typeof bytes === "string" ? new TextEncoder().encode(bytes) : bytes;
  if (data.length > 0) coreOf(terminal).writeSync(data);
}

/** The text of the screen, rows joined by line feeds, blanks on the right and below cut off. */
export function screenText(terminal: TestTerminal): string {
  const { active } = terminal.buffer;
  const rows = Array.from(
    { length: terminal.rows },
    (_, y) => active.getLine(active.baseY + y)?.translateToString(true) ?? "",
  );
  return rows.join("\n").trimEnd();
}
