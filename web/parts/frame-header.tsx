/** The bar on top of every page: where to go, how the connection is, who one is and how the page looks. */

import { Badge, Box, Burger, Drawer, Group, Text, Tooltip, UnstyledButton, VisuallyHidden } from "@mantine/core";
import { useDisclosure, useMediaQuery } from "@mantine/hooks";
import { useEffect, useState, useSyncExternalStore } from "react";
import { Link, useLocation } from "wouter";
import { SessionState } from "../../proto/client/index.ts";
import { Icon, type IconName } from "./icons.tsx";
import { useWords } from "./language.tsx";
import { useNow } from "./now.tsx";
import { usePage } from "./page-context.tsx";
import { mayReadAudit } from "./rights.ts";
import { UserMenu } from "./user-menu.tsx";

export function FrameHeader({ tabs }: { tabs: number }) {
  const words = useWords();
  const narrow = useMediaQuery("(max-width: 48em)", true);
  const [opened, drawer] = useDisclosure(false);
  return (
    <Box component="header" px="md" style={{ borderBottom: "1px solid var(--mantine-color-default-border)" }}>
      <Group h={48} gap="sm" wrap="nowrap">
        {narrow && <Burger opened={opened} onClick={drawer.toggle} size="sm" aria-label={words.nav.menu} />}
        <UnstyledButton component={Link} href="/" aria-label="bartizan">
          <Group gap={6} wrap="nowrap" c="var(--mantine-primary-color-light-color)">
            <Icon name="tower" size={24} />
            <Text fw={700} c="var(--mantine-color-text)">
              bartizan
            </Text>
          </Group>
        </UnstyledButton>
        {!narrow && (
          <Group component="nav" aria-label={words.nav.label} gap={4} ml="md" wrap="nowrap">
            <NavLinks tabs={tabs} />
          </Group>
        )}
        <Box flex={1} />
        <ConnectionMark narrow={narrow} />
        <UserMenu />
      </Group>
      <Drawer
        opened={opened && narrow}
        onClose={drawer.close}
        size={260}
        title="bartizan"
        closeButtonProps={{ "aria-label": words.kick.close }}
      >
        <Box component="nav" aria-label={words.nav.label} display="grid" style={{ gap: 4 }}>
          <NavLinks tabs={tabs} onGo={drawer.close} />
        </Box>
      </Drawer>
    </Box>
  );
}

function NavLinks({ tabs, onGo }: { tabs: number; onGo?: () => void }) {
  const words = useWords();
  const { feed, who } = usePage();
  const { sessions } = useSyncExternalStore(feed.subscribe, () => feed.state);
  const live = sessions.filter(({ state }) => state !== SessionState.ENDED).length;
  const [path] = useLocation();
  const items: { to: string; icon: IconName; text: string; count?: number; also?: string }[] = [
    { to: "/", icon: "target", text: words.nav.targets },
    { to: "/sessions", icon: "sessions", text: words.nav.sessions, count: live, also: "/watch/" },
    { to: "/wall", icon: "wall", text: words.nav.wall },
    { to: "/recordings", icon: "film", text: words.nav.recordings, also: "/replay/" },
    { to: "/commands", icon: "prompt", text: words.nav.commands },
    ...(mayReadAudit(who) ? [{ to: "/audit", icon: "journal" as const, text: words.nav.audit }] : []),
    ...(tabs > 0 ? [{ to: "/shell", icon: "shell" as const, text: words.nav.shells, count: tabs }] : []),
  ];
  return items.map(({ to, icon, text, count = 0, also }) => {
    const here = path === to || (also !== undefined && path.startsWith(also));
    return (
      <Link key={to} href={to} className="nav-link" aria-current={here ? "page" : undefined} onClick={() => onGo?.()}>
        <Icon name={icon} />
        {text}
        {count > 0 && (
          <Badge size="sm" variant="light" circle={count < 10}>
            {count}
          </Badge>
        )}
      </Link>
    );
  });
}

/** Told to screen readers when it changes between good and bad, not while it counts. */
function ConnectionMark({ narrow }: { narrow: boolean }) {
  const words = useWords();
  const { feed, who, signedOut } = usePage();
  const { kind, lostAtMs } = useSyncExternalStore(feed.subscribe, () => feed.state);
  const nowMs = useNow();
  const [wasLost, setWasLost] = useState(false);
  useEffect(() => {
    if (kind === "stale") setWasLost(true);
  }, [kind]);
  const color = { live: "teal", stale: "orange", loading: "gray" }[kind];
  const long = {
    live: `${words.connection.live} · ${words.user.server(who.node, who.serverVersion)}`,
    stale: words.connection.stale(Math.max(0, Math.round((nowMs - (lostAtMs ?? nowMs)) / 1000))),
    loading: words.connection.loading,
  }[kind];
  const lost = signedOut && kind === "stale";
  const short = {
    live: words.user.at(who.node),
    stale: words.connection.staleShort,
    loading: words.connection.loading,
  }[kind];
  return (
    <>
      <VisuallyHidden role="status">
        {kind === "stale" ? (lost ? "" : words.connection.lost) : wasLost ? words.connection.back : ""}
      </VisuallyHidden>
      <Tooltip label={lost ? words.access.endedTitle : long}>
        <Group gap={6} wrap="nowrap" data-testid="connection" data-state={kind}>
          <Box w={9} h={9} bg={`${color}.6`} style={{ borderRadius: "50%" }} aria-hidden />
          {(kind !== "live" || !narrow) && (
            <Text size="sm" c="dimmed">
              {lost ? words.connection.signedOut : short}
            </Text>
          )}
        </Group>
      </Tooltip>
    </>
  );
}
