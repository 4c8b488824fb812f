/** How the page says ages, amounts and causes, in the language's words. */

import { type EndCause, printable, type SessionInfo } from "../../proto/client/index.ts";
import type { Messages } from "../messages/en.ts";

/** "12 s", "5 min", "3 h", "2 d"; "now" below one second. */
export function durationWords(words: Messages, ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  if (seconds < 1) return words.time.now;
  if (seconds < 60) return words.time.seconds(seconds);
  if (seconds < 3600) return words.time.minutes(Math.floor(seconds / 60));
  if (seconds < 86_400) return words.time.hours(Math.floor(seconds / 3600));
  return words.time.days(Math.floor(seconds / 86_400));
}

/** "35 ms", "1.2 s". */
export function shortTimeWords(ms: number): string {
  return ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`;
}

/** How long something took: "35 ms", "1.2 s", and from a minute on "3:10". */
export function tookWords(ms: number): string {
  return ms < 60_000 ? shortTimeWords(ms) : clockWords(ms);
}

/** As a player shows times: "0:07", "12:40", "1:02:03". */
export function clockWords(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  const two = (part: number) => String(part).padStart(2, "0");
  const [hours, minutes] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60];
  return hours > 0 ? `${hours}:${two(minutes)}:${two(seconds % 60)}` : `${minutes}:${two(seconds % 60)}`;
}

/** "640 B", "12 KB", "3.4 MB", "1.2 GB". */
export function amountWords(bytes: number): string {
  if (bytes < 1000) return `${bytes} B`;
  if (bytes < 1e6) return `${Math.max(1, Math.round(bytes / 1000))} KB`;
  return bytes < 1e9 ? `${(bytes / 1e6).toFixed(1)} MB` : `${(bytes / 1e9).toFixed(1)} GB`;
}

export function causeWords(words: Messages, cause: EndCause): string {
  switch (cause.kind) {
    case "exited":
      return words.cause.exited(cause.code);
    case "signalled":
      return words.cause.signalled(printable(cause.name, 20));
    case "lost":
      return words.cause.lost(printable(cause.reason, 200));
    case "kicked":
      return words.cause.kicked(printable(cause.by, 100), printable(cause.reason));
    case "closed":
      return cause.detail === undefined
        ? words.cause[cause.why]
        : `${words.cause[cause.why]}: ${printable(cause.detail)}`;
  }
}

/** Who opened it, as text that is safe to show. */
export function operatorOf(session: Pick<SessionInfo, "operator">): string {
  return printable(session.operator?.name ?? "?", 100);
}
