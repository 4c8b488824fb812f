/** One session's live screen on the wall. Out of sight it reads nothing; in sight it begins again at a key frame. */

import { Badge, Box, Group, Text, VisuallyHidden } from "@mantine/core";
import { type RefObject, useEffect, useRef, useState } from "react";
import { useLocation } from "wouter";
import { faultOf, printable, type SessionInfo } from "../../proto/client/index.ts";
import type { ViewingState } from "../viewing.ts";
import { useWords } from "./language.tsx";
import { causeWords, operatorOf } from "./phrases.ts";
import { useViewing } from "./use-viewing.ts";

/** How long a tile that went out of sight goes on, so that scrolling past does not open and close calls. */
const patienceMs = 3000;

/** `over`: the live list says that the session has ended. Only then does the tile say so; a viewing can also just fail. */
export function WallTile({ session, over }: { session: SessionInfo; over: boolean }) {
  const words = useWords();
  const [, navigate] = useLocation();
  const tile = useRef<HTMLButtonElement>(null);
  const box = useRef<HTMLDivElement>(null);
  const seen = useSeen(tile);
  const operator = operatorOf(session);
  const target = printable(session.target, 80);
  const { cols = 80, rows = 24 } = session.size ?? {};
  const state = useViewing(box, {
    sessionId: session.id,
    label: words.watch.screen(operator, target),
    size: { cols, rows },
    tile: true,
    wanted: seen,
  });
  const still = over || state?.phase === "ended" || state?.phase === "failed";
  return (
    <button
      type="button"
      ref={tile}
      className="wall-tile"
      onClick={() => navigate(`/watch/${encodeURIComponent(session.id)}`, { state: { from: "wall" } })}
      data-testid="tile"
      data-session={session.id}
      data-phase={state?.phase ?? "paused"}
    >
      <Group px="sm" py={6} gap="xs" wrap="nowrap" w="100%">
        <Text size="sm" fw={600} truncate flex={1}>
          {words.watch.title(operator, target)}
          <VisuallyHidden>: {words.wall.enlarge}</VisuallyHidden>
        </Text>
        {over ? (
          <Badge size="sm" variant="default">
            {words.wall.ended}
          </Badge>
        ) : (
          <Mark state={state} unheard={session.unreachable} />
        )}
      </Group>
      <Box className="stage" w="100%" style={{ aspectRatio: "16 / 10", opacity: still ? 0.5 : 1 }} aria-hidden inert>
        <Box pos="absolute" inset={4} ref={box} />
      </Box>
    </button>
  );
}

/** How the viewing of a running session is: that it failed, or that its watcher was taken off, is not the session's end. */
function Mark({ state, unheard }: { state: ViewingState | undefined; unheard: boolean }) {
  const words = useWords();
  const phase = state?.phase;
  if (phase === "failed" || phase === "ended") {
    const failed = phase === "failed" && printable(faultOf(state?.error).message, 200);
    const said = state?.cause === undefined ? words.fault.title : causeWords(words, state.cause);
    return (
      <Badge
        size="sm"
        variant="light"
        color="orange"
        tt="none"
        maw="50%"
        title={failed || said}
        data-testid="tile-fault"
      >
        {said}
      </Badge>
    );
  }
  if (unheard || (phase === "live" && state?.reach !== undefined)) {
    return (
      <Badge
        size="sm"
        variant="light"
        color="orange"
        tt="none"
        title={words.sessions.unheardHint}
        data-testid="tile-unheard"
      >
        {state?.reach === "stale" ? words.watch.stale : words.sessions.unheard}
      </Badge>
    );
  }
  if (phase === "live") {
    return (
      <Badge size="sm" variant="filled" color="red.9" leftSection={<span className="live-dot" />}>
        {words.watch.live}
      </Badge>
    );
  }
  return (
    <Badge size="sm" variant="default">
      {phase === "reconnecting" ? words.connection.staleShort : words.connection.loading}
    </Badge>
  );
}

/** Whether the element is in the window and the window is shown; false only after some patience. */
function useSeen(element: RefObject<HTMLElement | null>): boolean {
  const [seen, setSeen] = useState(false);
  useEffect(() => {
    if (element.current === null) return;
    let inside = false;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const look = () => {
      clearTimeout(timer);
      if (inside && !document.hidden) setSeen(true);
      else timer = setTimeout(() => setSeen(false), patienceMs);
    };
    const observer = new IntersectionObserver(([entry]) => {
      inside = entry?.isIntersecting ?? false;
      look();
    });
    observer.observe(element.current);
    document.addEventListener("visibilitychange", look);
    return () => {
      clearTimeout(timer);
      observer.disconnect();
      document.removeEventListener("visibilitychange", look);
    };
  }, [element]);
  return seen;
}
