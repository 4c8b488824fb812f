/** What the page of the audit log says, in English. The names of events are the log's own words. */

const s = (count: number, one: string, many: string) => `${count} ${count === 1 ? one : many}`;

export const auditEn = {
  title: "Audit log",
  hint: "Who did what, and how it came out. That you read it here is noted, too.",
  count: (count: number) => s(count, "entry", "entries"),
  countMore: (count: number) => `the newest ${s(count, "entry", "entries")}`,
  filters: "Filter the audit log",
  event: "Event",
  eventHint: "kick- stands for all that begin so",
  principal: "Who",
  target: "Target",
  session: "Session",
  exact: "whole name",
  when: "When",
  outcome: "Outcome",
  anyOutcome: "Any outcome",
  outcomes: { ok: "Done", asked: "Asked for", refused: "Refused", failed: "Failed", unknown: "Not known" },
  from: (address: string) => `from ${address}`,
  about: "About",
  follow: "Follow",
  following: "New entries appear by themselves.",
  followLost: "The connection is lost; following begins again by itself.",
  line: "The line as it stands in the log",
  replay: "Replay",
  more: "Show more",
  emptyTitle: "No entry matches",
  empty: "Change the filters, or clear them.",
  notAllowed: "The audit log is for auditors and admins.",
};
