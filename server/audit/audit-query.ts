/** What is asked of the index of the audit log, what it answers, and what it and its thread say to each other. */

export interface AuditFilter {
  readonly fromMs?: number | undefined;
  readonly untilMs?: number | undefined;
  /** Words; one that ends with "-" stands for all that begin so. */
  readonly events?: readonly string[] | undefined;
  readonly who?: string | undefined;
  readonly target?: string | undefined;
  readonly session?: string | undefined;
  readonly recording?: string | undefined;
  readonly outcome?: string | undefined;
}

export interface AuditQuery {
  readonly filter: AuditFilter;
  readonly limit: number;
  /** Newest first, from before this line; or with `after` oldest first, from behind that one. */
  readonly before?: number | undefined;
  readonly after?: number | undefined;
}

export interface AuditPage {
  /** As they stand in the file. */
  readonly lines: readonly string[];
  /** There are more: `before` or `after` of the next page. */
  readonly next: number | undefined;
  /** The last line that was looked at: those behind it came later. */
  readonly upTo: number;
}

export interface AuditIndex extends AsyncDisposable {
  /** Among all lines that were written before the call. Rejects with the signal's reason, and with `internal`. */
  search(query: AuditQuery, signal: AbortSignal): Promise<AuditPage>;
}

/** `lengthBytes`: so much of the file are whole lines. */
export type ToIndex =
  | { readonly kind: "grown"; readonly lengthBytes: number }
  | { readonly kind: "search"; readonly id: number; readonly lengthBytes: number; readonly query: AuditQuery }
  | { readonly kind: "close"; readonly id: number };

export type FromIndex =
  | { readonly kind: "page"; readonly id: number; readonly page: AuditPage | undefined }
  | { readonly kind: "failed"; readonly id: number | undefined; readonly error: string };
