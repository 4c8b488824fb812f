/** The filter of a list of the past: in the address, and a little later in what is asked of the server. */

import { useDebouncedValue } from "@mantine/hooks";
import { useCallback, useMemo, useState } from "react";
import { useSearchParams } from "wouter";
import { filterFromSearch, noFilter, type PastFilter, searchFromFilter } from "./past-filter.ts";

/** Who types is waited for so long before the server is asked. */
const typingMs = 250;

export interface PastFilterInUse {
  /** As the fields show it. */
  readonly filter: PastFilter;
  /** As the server is asked. */
  readonly asked: PastFilter;
  change(changes: Partial<PastFilter>): void;
  clear(): void;
}

export function usePastFilter(): PastFilterInUse {
  const [search, setSearch] = useSearchParams();
  // The fields have a state of their own: an address that lags behind would eat letters.
  const [filter, setFilter] = useState(() => filterFromSearch(search));
  const [asked] = useDebouncedValue(filter, typingMs);
  const put = useCallback(
    (next: PastFilter) => {
      setFilter(next);
      setSearch(searchFromFilter(next), { replace: true });
    },
    [setSearch],
  );
  return useMemo(
    () => ({
      ...{ filter, asked },
      change: (changes) => put({ ...filter, ...changes }),
      clear: () => put(noFilter),
    }),
    [filter, asked, put],
  );
}
