/** A moment in the past, in the language's own form: "26 Nov 2026, 09:14:05". */

import { useLanguage } from "./language.tsx";

/** `atMs`: milliseconds since 1970. */
export function When({ atMs }: { atMs: number }) {
  const { code } = useLanguage();
  const at = new Date(atMs);
  // The browser's own variant of the language decides the order of day and month.
  const locale = navigator.languages.find((each) => each.split("-")[0] === code) ?? code;
  return (
    <time dateTime={at.toISOString()}>{at.toLocaleString(locale, { dateStyle: "medium", timeStyle: "medium" })}</time>
  );
}
