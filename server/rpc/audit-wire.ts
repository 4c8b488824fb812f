/** The audit log on the wire: filters and pages in, lines out; the limits that every incoming value must keep. */
import { create } from "@bufbuild/protobuf";
import { timestampFromMs, timestampMs } from "@bufbuild/protobuf/wkt";
import {
  type AuditEntry,
  AuditEntrySchema,
  type AuditFilter as AuditFilterMessage,
  AuditOutcome as WireOutcome,
} from "../../proto/gen/bartizan/v1/audit_pb.ts";
import { type AuditLine, parseLine } from "../audit/audit-lines.ts";
import type { AuditFilter } from "../audit/audit-query.ts";
import type { AuditOutcome } from "../audit.ts";
import { BartizanFault } from "../errors.ts";

const [usualPage, largestPage] = [50, 500];
const mostEvents = 20;
const maxTextLength = 200;

const wireOutcome: Readonly<Record<AuditOutcome, WireOutcome>> = {
  ok: WireOutcome.OK,
  asked: WireOutcome.ASKED,
  refused: WireOutcome.REFUSED,
  failed: WireOutcome.FAILED,
  unknown: WireOutcome.UNKNOWN,
};
/** For what is none: it can only have been changed since it was indexed. */
const noLine: AuditLine = { n: 0, prev: "", event: "", atMs: 0 };
const outcomes = new Map(Object.entries(wireOutcome).map(([word, value]) => [value, word]));

/** Throws `invalid` for what is longer than it may be. */
export function auditFilterFromWire(filter: AuditFilterMessage | undefined): AuditFilter {
  if (filter === undefined) return {};
  const { from, until, events, principal, target, sessionId, recordingId } = filter;
  if (events.length > mostEvents) throw new BartizanFault("invalid", `At most ${mostEvents} events can be asked for.`);
  for (const text of [...events, principal, target, sessionId, recordingId])
    if (text.length > maxTextLength)
      throw new BartizanFault("invalid", `A name in a filter has at most ${maxTextLength} characters.`);
  const outcome = outcomes.get(filter.outcome);
  if (filter.outcome !== WireOutcome.UNSPECIFIED && outcome === undefined)
    throw new BartizanFault("invalid", "This outcome is not known here.");
  return {
    ...{ who: given(principal), target: given(target), session: given(sessionId), recording: given(recordingId) },
    ...{ outcome, events },
    ...{ fromMs: from && clamped(timestampMs(from)), untilMs: until && clamped(timestampMs(until)) },
  };
}

/** Throws `invalid`. */
export function auditPageSize(asked: number, usual = usualPage): number {
  if (asked > largestPage) throw new BartizanFault("invalid", `A page has at most ${largestPage} entries.`);
  return asked === 0 ? usual : asked;
}

/** Throws `invalid`. */
export function auditPagePoint(token: string): number | undefined {
  if (token === "") return undefined;
  if (!/^\d{1,15}$/.test(token)) throw new BartizanFault("invalid", "This page token is none of this server's.");
  return Number(token);
}

/** One line of the file. */
export function auditEntryToWire(line: string): AuditEntry {
  const { n, id, atMs, monoMs, node, prev: _, event, kind: _kind, ...rest } = parseLine(line) ?? noLine;
  const { outcome, who, address, signedIn, target, session, recording, cause, ...others } = rest;
  const details = Object.entries(others).map(([name, value]) => [name, text(value)]);
  return create(AuditEntrySchema, {
    ...{ number: BigInt(n), id: text(id), node: text(node), event, line },
    at: timestampFromMs(clamped(atMs)),
    monotonicMs: typeof monoMs === "number" && monoMs >= 0 ? BigInt(Math.round(monoMs)) : 0n,
    outcome: wireOutcome[text(outcome) as AuditOutcome] ?? WireOutcome.UNSPECIFIED,
    ...{ principal: text(who), source: text(address), signedIn: text(signedIn), target: text(target) },
    ...{ sessionId: text(session), recordingId: text(recording), cause: text(cause) },
    details: Object.fromEntries(details),
  });
}

function text(value: unknown): string {
  if (typeof value === "string") return value.toWellFormed();
  return value === undefined || value === null ? "" : JSON.stringify(value);
}

function given(text: string): string | undefined {
  return text === "" ? undefined : text;
}

/** Further away is before and after everything. */
function clamped(ms: number): number {
  return Math.min(Math.max(Math.floor(ms), 0), 4e12);
}
