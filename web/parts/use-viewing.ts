/** Opens a viewing in a box for as long as a part of the page is shown, and draws that part anew when it changes. */

import { type RefObject, useEffect, useRef, useState, useSyncExternalStore } from "react";
import { faultOf } from "../../proto/client/index.ts";
import { openViewing, type Viewing, type ViewingOptions, type ViewingState } from "../viewing.ts";
import { usePage } from "./page-context.tsx";
import { useTerminalLook } from "./use-terminal-look.ts";

export interface UseViewingOptions extends Pick<ViewingOptions, "sessionId" | "label" | "size" | "tile" | "onBell"> {
  /** False: nothing is opened, or what was open is closed. */
  readonly wanted?: boolean;
  /** Another value opens it anew. */
  readonly round?: number;
}

/** The state is undefined while nothing is open. */
export function useViewing(box: RefObject<HTMLElement | null>, options: UseViewingOptions): ViewingState | undefined {
  const { sessionId, wanted = true, round = 0 } = options;
  const { api, signedOut } = usePage();
  const { terminal, scheme } = useTerminalLook();
  const [viewing, setViewing] = useState<Viewing>();
  const [signIns, setSignIns] = useState(0);
  const refused = viewing?.state.phase === "failed" && faultOf(viewing.state.error).word === "unauthenticated";
  const newest = useRef({ options, terminal, scheme });
  newest.current = { options, terminal, scheme };

  // What failed for want of a sign-in is opened anew by the next one.
  const again = refused && !signedOut;
  useEffect(() => {
    if (again) setSignIns((count) => count + 1);
  }, [again]);

  // biome-ignore lint/correctness/useExhaustiveDependencies: `round` and `signIns` are there to open it anew
  useEffect(() => {
    const element = box.current;
    if (!wanted || element === null) return;
    const { label, size, tile = false } = newest.current.options;
    const opened = openViewing(element, {
      client: api.clients.sessions,
      sessionId,
      label,
      tile,
      onBell: () => newest.current.options.onBell?.(),
      settings: newest.current.terminal,
      scheme: newest.current.scheme,
      ...(size === undefined ? {} : { size }),
    });
    setViewing(opened);
    return () => {
      opened[Symbol.dispose]();
      setViewing(undefined);
    };
  }, [box, api, sessionId, wanted, round, signIns]);

  useEffect(() => viewing?.change(terminal, scheme), [viewing, terminal, scheme]);
  return useSyncExternalStore(viewing?.subscribe ?? never, () => viewing?.state);
}

function never(): () => void {
  return () => {};
}
