/** The page's clock for ages that tick: one timer for everything below the provider, none while the page is hidden. */

import { createContext, type ReactNode, useContext, useEffect, useState } from "react";
import { useWords } from "./language.tsx";
import { durationWords } from "./phrases.ts";

const Context = createContext(0);

/** Milliseconds since 1970, anew every `everyMs` while the page can be seen. */
export function useNow(everyMs = 1000): number {
  const [nowMs, setNowMs] = useState(() => Date.now());
  useEffect(() => {
    let timer: ReturnType<typeof setInterval> | undefined;
    const run = () => {
      clearInterval(timer);
      timer = undefined;
      if (document.hidden) return;
      setNowMs(Date.now());
      timer = setInterval(() => setNowMs(Date.now()), everyMs);
    };
    run();
    document.addEventListener("visibilitychange", run);
    return () => {
      clearInterval(timer);
      document.removeEventListener("visibilitychange", run);
    };
  }, [everyMs]);
  return nowMs;
}

/** Gives `Age` below it the time. Only the ages are drawn anew, not what they stand in. */
export function NowProvider({ children }: { children: ReactNode }) {
  return <Context value={useNow()}>{children}</Context>;
}

export interface AgeProps {
  /** Milliseconds since 1970. */
  readonly sinceMs: number;
  /** Puts the age into a sentence. */
  say?(age: string): string;
}

/** How long ago it was: "12 s". Needs a NowProvider. */
export function Age({ sinceMs, say }: AgeProps) {
  const nowMs = useContext(Context);
  const words = useWords();
  const ageMs = nowMs - sinceMs;
  return (
    <time dateTime={new Date(sinceMs).toISOString()} title={new Date(sinceMs).toLocaleString()}>
      {say === undefined ? durationWords(words, ageMs) : say(durationWords(words, Math.max(1000, ageMs)))}
    </time>
  );
}
