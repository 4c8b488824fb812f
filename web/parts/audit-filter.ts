/** What the audit log is narrowed by: kept in the address, so that a way back and a link have it too. Pure. */

import { create } from "@bufbuild/protobuf";
import { type AuditFilter, AuditFilterSchema, AuditOutcome } from "../../proto/gen/bartizan/v1/audit_pb.ts";
import { noFilter, type TimeWord, timeRange, times } from "./past-filter.ts";

export const outcomes = ["ok", "asked", "refused", "failed", "unknown"] as const;
export type OutcomeWord = (typeof outcomes)[number];

/** Empty texts narrow nothing. */
export interface AuditFields {
  readonly event: string;
  readonly principal: string;
  readonly target: string;
  readonly session: string;
  readonly outcome: OutcomeWord | "";
  readonly when: TimeWord;
  /** With "between": local times as a field of the type datetime-local has them. */
  readonly from: string;
  readonly until: string;
}

export const noFields: AuditFields = {
  ...{ event: "", principal: "", target: "", session: "", outcome: "", when: "any", from: "", until: "" },
};

const keys = Object.keys(noFields) as (keyof AuditFields)[];

/** Whatever an address says that no field knows is as if it were not there. */
export function fieldsFromSearch(search: URLSearchParams): AuditFields {
  const text = (key: keyof AuditFields) => (search.get(key) ?? "").slice(0, 200);
  return {
    ...{ event: text("event"), principal: text("principal"), target: text("target"), session: text("session") },
    ...{ from: text("from"), until: text("until") },
    outcome: outcomes.find((each) => each === text("outcome")) ?? "",
    when: times.find((each) => each === text("when")) ?? "any",
  };
}

/** Only what narrows. */
export function searchFromFields(fields: AuditFields): URLSearchParams {
  const search = new URLSearchParams();
  for (const key of keys) if (fields[key] !== noFields[key]) search.set(key, fields[key]);
  return search;
}

export function narrows(fields: AuditFields): boolean {
  return keys.some((key) => key !== "from" && key !== "until" && fields[key] !== noFields[key]);
}

const wire: Readonly<Record<OutcomeWord, AuditOutcome>> = {
  ...{ ok: AuditOutcome.OK, asked: AuditOutcome.ASKED, refused: AuditOutcome.REFUSED },
  ...{ failed: AuditOutcome.FAILED, unknown: AuditOutcome.UNKNOWN },
};

/** As the server is asked; several events are separated by spaces or commas. */
export function filterOf(fields: AuditFields, nowMs: number): AuditFilter {
  const { when, from, until, outcome } = fields;
  const events = fields.event.split(/[\s,]+/).filter((word) => word !== "");
  return create(AuditFilterSchema, {
    ...{ events: events.slice(0, 20), principal: fields.principal.trim(), target: fields.target.trim() },
    sessionId: fields.session.trim(),
    ...(outcome === "" ? {} : { outcome: wire[outcome] }),
    ...timeRange({ ...noFilter, when, from, until }, nowMs),
  });
}

export function outcomeWord(outcome: AuditOutcome): OutcomeWord | undefined {
  return outcomes.find((word) => wire[word] === outcome);
}
