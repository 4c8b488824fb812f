/** Commands by one question to the server, page by page; a server that knows no commands has none. */

import type { MessageInitShape } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { useInfiniteQuery } from "@connectrpc/connect-query";
import { useEffect, useMemo } from "react";
import {
  CommandService,
  type FoundCommand,
  type SearchCommandsRequestSchema,
} from "../../proto/gen/bartizan/v1/recording_pb.ts";

export interface CommandsInUse {
  readonly commands: readonly FoundCommand[];
  /** Nothing is known yet. */
  readonly pending: boolean;
  /** The question failed, and nothing is known. */
  readonly error: unknown;
  /** There are more; undefined when these are all. */
  readonly more: (() => void) | undefined;
  readonly fetchingMore: boolean;
  readonly again: () => void;
}

export interface UseCommandsOptions {
  /** Asks for further pages by itself, up to so many pages in all. Default 1. */
  readonly pages?: number;
  /** Asks anew so often; default: never. */
  readonly everyMs?: number | undefined;
  /** False: asks nothing. */
  readonly enabled?: boolean;
}

/** The request must be the same object as long as it is the same question. */
export function useCommands(
  request: MessageInitShape<typeof SearchCommandsRequestSchema> & { readonly pageToken: string },
  { pages = 1, everyMs, enabled = true }: UseCommandsOptions = {},
): CommandsInUse {
  const list = useInfiniteQuery(CommandService.method.searchCommands, request, {
    pageParamKey: "pageToken",
    getNextPageParam: ({ nextPageToken }) => nextPageToken || undefined,
    placeholderData: (before) => before,
    retry: (count, error) => count < 1 && !isUnknown(error),
    refetchInterval: ({ state }) => (everyMs === undefined || isUnknown(state.error) ? false : everyMs),
    enabled,
  });
  const { hasNextPage, isFetching, fetchNextPage } = list;
  const onward = hasNextPage && !isFetching && (list.data?.pages.length ?? 0) < pages;
  useEffect(() => {
    if (onward) void fetchNextPage();
  }, [onward, fetchNextPage]);
  const commands = useMemo(() => list.data?.pages.flatMap((page) => page.commands) ?? [], [list.data]);
  const failed = list.isError && list.data === undefined && !isUnknown(list.error);
  return {
    commands,
    pending: enabled && list.isPending,
    error: failed ? list.error : undefined,
    more: hasNextPage ? () => void fetchNextPage() : undefined,
    fetchingMore: list.isFetchingNextPage,
    again: () => void list.refetch(),
  };
}

function isUnknown(error: unknown): boolean {
  return error !== null && error !== undefined && ConnectError.from(error).code === Code.Unimplemented;
}
