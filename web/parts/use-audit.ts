/** The audit log by one question: page by page, and with `follow` what is noted from now on as well. */

import { useInfiniteQuery } from "@connectrpc/connect-query";
import { useEffect, useMemo, useState } from "react";
import { backOffMs, pauseFor } from "../../proto/client/pause.ts";
import { type AuditEntry, type AuditFilter, AuditService } from "../../proto/gen/bartizan/v1/audit_pb.ts";
import { usePage } from "./page-context.tsx";

export interface AuditInUse {
  /** Newest first. */
  readonly entries: readonly AuditEntry[];
  readonly pending: boolean;
  readonly error: unknown;
  /** There are more; undefined when these are all. */
  readonly more: (() => void) | undefined;
  readonly fetchingMore: boolean;
  readonly again: () => void;
  /** The stream of new ones is there. */
  readonly following: boolean;
}

/** Older ones that came while following are left to the pages. */
const mostNew = 500;

/** The filter must be the same object as long as it is the same question. */
export function useAudit(filter: AuditFilter, follow: boolean): AuditInUse {
  const request = useMemo(() => ({ filter, pageToken: "" }), [filter]);
  const list = useInfiniteQuery(AuditService.method.searchAudit, request, {
    pageParamKey: "pageToken",
    getNextPageParam: ({ nextPageToken }) => nextPageToken || undefined,
    placeholderData: (before) => before,
  });
  const { fresh, following } = useFresh(filter, follow);
  const entries = useMemo(() => {
    const known = list.data?.pages.flatMap((page) => page.entries) ?? [];
    const newest = known[0]?.number ?? 0n;
    return [...fresh.filter(({ number }) => number > newest), ...known];
  }, [list.data, fresh]);
  return {
    ...{ entries, following },
    pending: list.isPending,
    error: list.isError && list.data === undefined ? list.error : undefined,
    more: list.hasNextPage ? () => void list.fetchNextPage() : undefined,
    fetchingMore: list.isFetchingNextPage,
    again: () => void list.refetch(),
  };
}

/** What was noted since it follows, newest first. A lost stream is opened again, with what came meanwhile. */
function useFresh(filter: AuditFilter, follow: boolean) {
  const { api } = usePage();
  const [fresh, setFresh] = useState<readonly AuditEntry[]>([]);
  const [following, setFollowing] = useState(false);
  useEffect(() => {
    if (!follow) return;
    const life = new AbortController();
    const { signal } = life;
    const take = (entry: AuditEntry) =>
      setFresh((before) =>
        before[0] !== undefined && before[0].number >= entry.number ? before : [entry, ...before].slice(0, mostNew),
      );
    const run = async () => {
      for (let tries = 0; !signal.aborted; tries += 1) {
        try {
          for await (const { entry } of api.clients.audit.followAudit({ filter, last: 50 }, { signal, timeoutMs: 0 })) {
            setFollowing(true);
            tries = 0;
            if (entry !== undefined) take(entry);
          }
        } catch {
          // Told by the mark that it does not follow.
        }
        setFollowing(false);
        await pauseFor(backOffMs(tries), signal).catch(() => {});
      }
    };
    void run();
    return () => {
      life.abort();
      setFresh([]);
      setFollowing(false);
    };
  }, [api, filter, follow]);
  return { fresh, following };
}
