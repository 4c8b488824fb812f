/** A line of the audit log as a syslog message (RFC 5424). Pure. */
import type { ExportedLine } from "./export-runner.ts";

/** RFC 5424, table 2: error, warning, informational. */
const severities: Readonly<Record<string, number>> = { failed: 3, refused: 4, unknown: 4, ok: 6, asked: 6 };
const informational = 6;
/** RFC 5424, section 6: of HOSTNAME, and of MSGID. */
const maxHostLength = 255;
const maxIdLength = 32;

/** The message is the line itself: whoever collects them can verify the chain. */
export function syslogMessage({ text, line }: ExportedLine, facility: number): string {
  const priority = facility * 8 + (severities[String(line.outcome)] ?? informational);
  const at = new Date(Math.min(Math.max(line.atMs, 0), 4e12)).toISOString();
  const host = word(String(line.node ?? ""), maxHostLength);
  return `<${priority}>1 ${at} ${host} bartizan - ${word(line.event, maxIdLength)} - ${text}`;
}

/** PRINTUSASCII, or the sign for nothing. */
function word(text: string, most: number): string {
  const safe = text.replace(/[^\x21-\x7e]/g, "").slice(0, most);
  return safe === "" ? "-" : safe;
}
