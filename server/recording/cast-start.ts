/** What the first two lines of a recording say of it: enough to list it again when the list is lost. */
import type { RecordingId, SessionId } from "../events.ts";
import type { RecordingStart } from "./recording.ts";

/** undefined: they are not the beginning of a recording of this format. `key`: the id of its sealing key. */
export function readStart(text: string): { readonly start: RecordingStart; readonly key: string } | undefined {
  const [first = "", second = ""] = text.split("\n", 2);
  const json = /^# bartizan start (\{.*\})$/s.exec(second)?.[1];
  if (json === undefined || !text.slice(first.length + 1).includes("\n")) return undefined;
  try {
    const { version, term } = JSON.parse(first) as { version: number; term: { cols: number; rows: number } };
    const said = JSON.parse(json) as Record<string, unknown>;
    if (version !== 3 || said.format !== 1) return undefined;
    const labels = Object.entries((said.labels ?? {}) as object).map(([key, value]) => [key, String(value)]);
    return {
      key: String(said.key),
      start: {
        ...{ id: String(said.recording) as RecordingId, sessionId: String(said.session) as SessionId },
        ...{ epoch: String(said.epoch), node: String(said.node), operator: { name: String(said.operator) } },
        ...{ target: String(said.target), targetUser: String(said.user), labels: Object.fromEntries(labels) },
        ...{ startedAtMs: Number(said.wallMs), size: { cols: Number(term.cols), rows: Number(term.rows) } },
        mode: said.mode === "best-effort" ? "best-effort" : "strict",
      },
    };
  } catch {
    return undefined;
  }
}
