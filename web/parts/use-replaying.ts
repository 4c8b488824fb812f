/** Opens a replay in a box for as long as a part of the page is shown, and draws that part anew when it changes. */

import { type RefObject, useEffect, useRef, useState, useSyncExternalStore } from "react";
import { faultOf } from "../../proto/client/index.ts";
import { openReplaying, type Replaying, type ReplayingOptions } from "../replaying.ts";
import { usePage } from "./page-context.tsx";
import { useTerminalLook } from "./use-terminal-look.ts";

export interface UseReplayingOptions
  extends Pick<ReplayingOptions, "id" | "label" | "startMs" | "paused" | "skipIdle" | "speed"> {
  /** Another value opens it anew. */
  readonly round: number;
}

/** Undefined while nothing is open. */
export function useReplaying(box: RefObject<HTMLElement | null>, options: UseReplayingOptions): Replaying | undefined {
  const { id, round } = options;
  const { api, signedOut } = usePage();
  const look = useTerminalLook();
  const [replaying, setReplaying] = useState<Replaying>();
  const [signIns, setSignIns] = useState(0);
  const newest = useRef({ options, look });
  newest.current = { options, look };

  const state = useSyncExternalStore(replaying?.subscribe ?? never, () => replaying?.state);
  // What failed for want of a sign-in is opened anew by the next one.
  const again = state?.is === "failed" && faultOf(state.error).word === "unauthenticated" && !signedOut;
  useEffect(() => {
    if (again) setSignIns((count) => count + 1);
  }, [again]);

  // biome-ignore lint/correctness/useExhaustiveDependencies: `round` and `signIns` are there to open it anew
  useEffect(() => {
    const element = box.current;
    if (element === null) return;
    const { round: _round, ...wishes } = newest.current.options;
    const { terminal, scheme } = newest.current.look;
    const opened = openReplaying(element, { client: api.clients.recordings, ...wishes, settings: terminal, scheme });
    setReplaying(opened);
    return () => {
      opened[Symbol.dispose]();
      setReplaying(undefined);
    };
  }, [box, api, id, round, signIns]);

  const { terminal, scheme } = look;
  useEffect(() => replaying?.change(terminal, scheme), [replaying, terminal, scheme]);
  return replaying;
}

function never(): () => void {
  return () => {};
}
