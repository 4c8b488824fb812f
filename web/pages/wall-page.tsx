/** The screens of up to twelve running sessions at once; one click leads to the large view. */

import { Box, Container, Group, Skeleton, Stack, Text, Title } from "@mantine/core";
import { useEffect, useState, useSyncExternalStore } from "react";
import type { SessionInfo } from "../../proto/client/index.ts";
import { useWords } from "../parts/language.tsx";
import { usePage } from "../parts/page-context.tsx";
import { mayWatch } from "../parts/rights.ts";
import { StatePanel } from "../parts/state-panel.tsx";
import { WallTile } from "../parts/wall-tile.tsx";

const mostTiles = 12;
/** An ended session's last screen stays this long, so that the eye can follow. */
const lingerMs = 6000;

export function WallPage() {
  const words = useWords();
  const { feed } = usePage();
  const { kind, sessions } = useSyncExternalStore(feed.subscribe, () => feed.state);
  const watchable = sessions.filter((session) => mayWatch(session));
  const tiles = useTiles(watchable);
  const hidden = watchable.length - tiles.filter(({ over }) => !over).length;
  return (
    <Container fluid py="lg" px="lg">
      <Stack gap="md">
        <Group justify="space-between">
          <Title order={1} size="h2">
            {words.wall.title}
          </Title>
          <Text size="sm" c="dimmed" role="status">
            {hidden > 0 ? words.wall.more(hidden) : words.wall.explain}
          </Text>
        </Group>
        {kind === "loading" && <Skeleton height={240} />}
        {kind !== "loading" && tiles.length === 0 && (
          <StatePanel icon="wall" title={words.wall.emptyTitle} text={words.wall.empty} />
        )}
        <Box className="wall">
          {tiles.map(({ session, over }) => (
            <WallTile key={session.id} session={session} over={over} />
          ))}
        </Box>
      </Stack>
    </Container>
  );
}

interface Tile {
  readonly session: SessionInfo;
  readonly over: boolean;
}

/** Tiles keep their places: new sessions are added behind, ended ones go after a moment and make room. */
function useTiles(watchable: readonly SessionInfo[]): readonly Tile[] {
  const [tiles, setTiles] = useState<readonly Tile[]>([]);
  const live = new Map(watchable.map((session) => [session.id, session]));
  const next = placed(tiles, live);
  const changed = next.length !== tiles.length || next.some((tile, at) => !same(tile, tiles[at]));
  if (changed) setTiles(next);
  const over = next.filter((tile) => tile.over).map(({ session }) => session.id);
  const overKey = over.join();
  useEffect(() => {
    if (overKey === "") return;
    const gone = new Set(overKey.split(","));
    const timer = setTimeout(
      () => setTiles((now) => now.filter((tile) => !tile.over || !gone.has(tile.session.id))),
      lingerMs,
    );
    return () => clearTimeout(timer);
  }, [overKey]);
  return next;
}

function placed(tiles: readonly Tile[], live: ReadonlyMap<string, SessionInfo>): Tile[] {
  const kept = tiles.map(({ session }) => {
    const now = live.get(session.id);
    return { session: now ?? session, over: now === undefined };
  });
  const known = new Set(kept.map(({ session }) => session.id));
  const free = Math.max(0, mostTiles - kept.length);
  // The feed has the newest first; the wall shows those that came first at the front.
  const fresh = [...live.values()]
    .filter(({ id }) => !known.has(id))
    .slice(0, free)
    .reverse();
  return [...kept, ...fresh.map((session) => ({ session, over: false }))];
}

function same(a: Tile, b: Tile | undefined): boolean {
  return b !== undefined && a.session === b.session && a.over === b.over;
}
