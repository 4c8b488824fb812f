/** AuditService: finds in the audit log and follows it; that somebody looks is noted, too. */
import { create } from "@bufbuild/protobuf";
import type { HandlerContext, ServiceImpl } from "@connectrpc/connect";
import {
  type AuditService,
  type FollowAuditRequest,
  type FollowAuditResponse,
  FollowAuditResponseSchema,
} from "../../proto/gen/bartizan/v1/audit_pb.ts";
import type { AuditFilter, AuditIndex } from "../audit/audit-query.ts";
import type { AuditLog } from "../audit/open-audit.ts";
import type { Clock } from "../flow/clock.ts";
import { orAborted } from "../flow/life.ts";
import { auditEntryToWire, auditFilterFromWire, auditPagePoint, auditPageSize } from "./audit-wire.ts";
import { actorOfCall } from "./guard.ts";
import type { AuditStreams } from "./stream-method.ts";
import { createViewFold } from "./view-fold.ts";

export interface AuditServiceNeeds {
  readonly audit: Pick<AuditLog, "write" | "note" | "onGrown">;
  readonly index: AuditIndex;
  readonly clock: Clock;
}

/** What is told at once of what came meanwhile. */
const followPage = 200;

export function createAuditService({
  audit,
  index,
  clock,
}: AuditServiceNeeds): ServiceImpl<typeof AuditService> & AuditStreams {
  const foldView = createViewFold(clock);
  return {
    async searchAudit(request, context) {
      const filter = auditFilterFromWire(request.filter);
      const limit = auditPageSize(request.pageSize);
      const before = auditPagePoint(request.pageToken);
      const actor = actorOfCall(context);
      // All pages of a search, and a page in the browser that asks anew, are one look.
      const asked = JSON.stringify(filter);
      foldView(actor, asked, () => audit.write({ event: "audit-searched", actor, cause: words(filter) }));
      const page = await index.search({ filter, limit, before }, context.signal);
      return {
        entries: page.lines.map(auditEntryToWire),
        nextPageToken: page.next === undefined ? "" : String(page.next),
      };
    },

    async *followAudit(request, context) {
      const actor = actorOfCall(context);
      const filter = auditFilterFromWire(request.filter);
      audit.write({ event: "audit-followed", actor, cause: words(filter) });
      for await (const line of followed({ audit, index }, filter, request, context)) yield line;
    },
  };
}

/** First the newest that are there, then all that come; the file is the queue of a slow reader. */
async function* followed(
  { audit, index }: Pick<AuditServiceNeeds, "audit" | "index">,
  filter: AuditFilter,
  { last }: FollowAuditRequest,
  { signal }: HandlerContext,
): AsyncGenerator<FollowAuditResponse> {
  const limit = auditPageSize(last, 0);
  let grown = Promise.withResolvers<void>();
  using _subscription = audit.onGrown(() => grown.resolve());
  yield create(FollowAuditResponseSchema);
  const first = await index.search({ filter, limit }, signal);
  for (const line of first.lines.toReversed()) yield told(line);
  let after = first.upTo;
  for (;;) {
    signal.throwIfAborted();
    const waiting = grown.promise;
    const { lines, next, upTo } = await index.search({ filter, limit: followPage, after }, signal);
    for (const line of lines) yield told(line);
    after = next ?? upTo;
    if (next !== undefined) continue;
    await orAborted(waiting, signal);
    if (waiting === grown.promise) grown = Promise.withResolvers();
  }
}

function told(line: string): FollowAuditResponse {
  return create(FollowAuditResponseSchema, { entry: auditEntryToWire(line) });
}

/** What was looked for, for the one who reads that somebody has. */
function words(filter: AuditFilter): string | undefined {
  const parts = Object.entries(filter).filter(([, value]) => value !== undefined && value.length !== 0);
  return parts.length === 0 ? undefined : parts.map(([name, value]) => `${name} ${value}`).join(", ");
}
