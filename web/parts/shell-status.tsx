/** The line below a terminal: where it is, how far away, who watches, and the way to search and settings. */

import { ActionIcon, Group, Tooltip } from "@mantine/core";
import { useSyncExternalStore } from "react";
import { printable } from "../../proto/client/index.ts";
import type { ShellTab } from "../shell-tab.ts";
import { Icon } from "./icons.tsx";
import { useWords } from "./language.tsx";

export interface ShellStatusProps {
  readonly tab: ShellTab;
  onSearch(): void;
  onSettings(): void;
  onShortcuts(): void;
}

export function ShellStatus({ tab, onSearch, onSettings, onShortcuts }: ShellStatusProps) {
  const words = useWords().shell.status;
  const { session, target, latency, others, phase } = useSyncExternalStore(tab.subscribe, () => tab.state);
  const open = phase.kind === "open";
  const user = session?.targetUser ? `${printable(session.targetUser, 40)}@` : "";
  const node = printable(session?.node ?? "", 40);
  const names = others.map(({ name }) => name).join(", ");
  return (
    <section className="shell-status" aria-label={words.bar}>
      <span>{`${user}${printable(target, 60)}`}</span>
      {node !== "" && (
        <Tooltip label={words.nodeHint(node)} withArrow>
          <span data-testid="shell-node">{words.node(node)}</span>
        </Tooltip>
      )}
      {open && latency !== undefined && (
        <Group gap={10} wrap="nowrap" data-testid="latency">
          <Hop icon="user" label={words.bastion(milliseconds(latency.bastionMs))} ms={latency.bastionMs} />
          <Hop
            icon="target"
            label={latency.targetMs === undefined ? words.targetUnknown : words.target(milliseconds(latency.targetMs))}
            ms={latency.targetMs}
          />
        </Group>
      )}
      {open && others.length > 0 && (
        <Tooltip label={words.watchers(names)} withArrow>
          <Group
            gap={4}
            wrap="nowrap"
            c="orange"
            fw={600}
            role="status"
            aria-label={words.watchers(names)}
            data-testid="watchers"
          >
            <Icon name="eye" size={14} />
            {words.watched(others.length)}
          </Group>
        </Tooltip>
      )}
      {open && session?.recorded && <span>{words.recorded}</span>}
      <span className="shell-space" />
      <Act icon="search" label={words.search} onClick={onSearch} />
      <Act icon="list" label={words.keys} onClick={onShortcuts} />
      <Act icon="settings" label={words.settings} onClick={onSettings} />
    </section>
  );
}

function Hop({ icon, label, ms }: { icon: "user" | "target"; label: string; ms: number | undefined }) {
  return (
    <Tooltip label={label} withArrow>
      <Group gap={3} wrap="nowrap" role="img" aria-label={label}>
        <Icon name={icon} size={13} />
        {ms === undefined ? "–" : milliseconds(ms)}
      </Group>
    </Tooltip>
  );
}

function Act({ icon, label, onClick }: { icon: "search" | "list" | "settings"; label: string; onClick(): void }) {
  return (
    <Tooltip label={label} withArrow>
      <ActionIcon variant="subtle" color="gray" size={24} aria-label={label} onClick={onClick}>
        <Icon name={icon} size={15} />
      </ActionIcon>
    </Tooltip>
  );
}

function milliseconds(ms: number): string {
  return ms < 10 ? `${ms.toFixed(1)} ms` : `${Math.round(ms)} ms`;
}
