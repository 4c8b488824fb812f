/** Feeds a trace to an extractor, in this thread, and scores what it found against what the shell says it ran. */
import unicode11 from "@xterm/addon-unicode11";
import xterm from "@xterm/headless";
import { clampCsiCounts } from "../../proto/client/csi-clamps.ts";
import { Extractor } from "../../server/commands/extractor.ts";
import type { CommandSeen, TermSize } from "../../server/events.ts";
import { charsetNames } from "../../server/session/screen-model.ts";
import type { Trace, TraceEvent } from "./typist.ts";

/** A terminal as the command worker has them. */
function newTerminal({ cols, rows }: TermSize) {
  const terminal = new xterm.Terminal({ cols, rows, scrollback: 100, allowProposedApi: true, logLevel: "off" });
  terminal.loadAddon(new unicode11.Unicode11Addon());
  terminal.unicode.activeVersion = "11";
  clampCsiCounts(terminal);
  return terminal;
}

const names = charsetNames(newTerminal);

export function newExtractor(size: TermSize): Extractor {
  return new Extractor(newTerminal, size);
}

export function feedTrace(extractor: Extractor, event: TraceEvent): void {
  if (event.kind !== "resize") extractor.feed(event);
  else extractor.feed({ kind: "resize", atMs: event.atMs, size: { cols: event.cols, rows: event.rows } });
}

/** The commands in it, each in its last form. `sleepAfterMs`: a pause of the trace in which the extractor falls asleep. */
export function commandsIn(trace: Trace, sleepAfterMs = Number.POSITIVE_INFINITY): CommandSeen[] {
  const extractor = newExtractor(trace);
  let lastMs = 0;
  for (const event of trace.events) {
    if (event.atMs - lastMs >= sleepAfterMs) extractor.sleep(names);
    lastMs = event.atMs;
    feedTrace(extractor, event);
  }
  extractor.end();
  return extractor.log.take();
}

export interface Score {
  readonly hits: number;
  readonly missing: readonly string[];
  readonly extra: readonly string[];
  readonly leaked: readonly string[];
}

/** By exact text, as multisets. A line continued by a backslash and the last line feed of a here-document count as equal. */
export function score(trace: Trace, found: readonly CommandSeen[]): Score {
  const missing = trace.truth.map(comparable);
  const extra: string[] = [];
  let hits = 0;
  for (const { text } of found) {
    const at = missing.indexOf(comparable(text));
    if (at < 0) extra.push(text);
    else {
      missing.splice(at, 1);
      hits++;
    }
  }
  // In pieces as well: half a secret is one.
  const halves = trace.secrets.flatMap((secret) => [secret, secret.slice(0, 8), secret.slice(-8)]);
  return { hits, missing, extra, leaked: halves.filter((half) => found.some(({ text }) => text.includes(half))) };
}

function comparable(text: string): string {
  return text.replaceAll("\\\n", "").replace(/\n+$/, "");
}
