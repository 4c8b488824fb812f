/** The inventory: find a target and open a shell on it, by mouse or by keyboard alone. */

import { useQuery } from "@connectrpc/connect-query";
import { Box, Chip, Container, Group, Kbd, Paper, Skeleton, Stack, Text, TextInput, Title } from "@mantine/core";
import { useEffect, useMemo, useRef, useState } from "react";
import { printable } from "../../proto/client/index.ts";
import { type Target, TargetService } from "../../proto/gen/bartizan/v1/target_pb.ts";
import { FaultPanel } from "../parts/fault-panel.tsx";
import { Icon } from "../parts/icons.tsx";
import { useWords } from "../parts/language.tsx";
import { NowProvider } from "../parts/now.tsx";
import { usePage } from "../parts/page-context.tsx";
import { mayOpen, mayOpenOn } from "../parts/rights.ts";
import { StatePanel } from "../parts/state-panel.tsx";
import { noteTargetUse, readTargetHistory } from "../parts/target-history.ts";
import { TargetRow } from "../parts/target-row.tsx";

const lockedAgainMs = 10_000;

export function TargetsPage() {
  const words = useWords();
  const list = useQuery(
    TargetService.method.listTargets,
    {},
    {
      ...{ refetchOnWindowFocus: true, refetchOnMount: "always" as const },
      // A lock ends by itself, or is lifted elsewhere.
      refetchInterval: ({ state }) =>
        state.data?.targets.some(({ lock }) => lock !== undefined) ? lockedAgainMs : false,
    },
  );
  return (
    <Container size="lg" py="lg">
      <Stack gap="md">
        <Title order={1} size="h2">
          {words.targets.title}
        </Title>
        {list.isPending && <Loading />}
        {list.isError && list.data === undefined && <FaultPanel error={list.error} retry={() => void list.refetch()} />}
        {list.data?.targets.length === 0 && (
          <StatePanel icon="target" title={words.targets.emptyTitle} text={words.targets.empty} />
        )}
        {list.data !== undefined && list.data.targets.length > 0 && <Inventory targets={list.data.targets} />}
      </Stack>
    </Container>
  );
}

function Inventory({ targets }: { targets: readonly Target[] }) {
  const words = useWords();
  const { who, openShell } = usePage();
  const [history] = useState(readTargetHistory);
  const [search, setSearch] = useState("");
  const [labels, setLabels] = useState<string[]>([]);
  const [chosen, setChosen] = useState(0);
  const field = useRef<HTMLInputElement>(null);
  const allLabels = useMemo(() => [...new Set(targets.flatMap(labelsOf))].sort(), [targets]);
  const shown = useMemo(
    () => found(targets, search, labels).sort((a, b) => byUse(history, a, b)),
    [targets, search, labels, history],
  );
  const at = Math.min(chosen, shown.length - 1);
  const allowed = mayOpen(who);
  useSlashFocuses(field);

  const open = (target: Target | undefined) => {
    if (target === undefined || !mayOpenOn(target)) return;
    noteTargetUse(target.name, Date.now());
    openShell({ target: target.name });
  };
  const move = (to: number) => {
    setChosen(Math.max(0, Math.min(shown.length - 1, to)));
  };
  useEffect(() => {
    document.getElementById(`target-${at}`)?.scrollIntoView({ block: "nearest" });
  }, [at]);

  return (
    <NowProvider>
      <TextInput
        ref={field}
        size="md"
        data-autofocus
        autoFocus={matchMedia("(pointer: fine)").matches}
        placeholder={words.targets.search}
        aria-label={words.targets.searchLabel}
        role="combobox"
        aria-expanded={shown.length > 0}
        aria-controls="target-list"
        aria-autocomplete="list"
        aria-activedescendant={shown.length > 0 ? `target-${at}` : undefined}
        leftSection={<Icon name="search" />}
        value={search}
        onChange={(event) => {
          setSearch(event.currentTarget.value);
          setChosen(0);
        }}
        onKeyDown={(event) => {
          if (event.nativeEvent.isComposing) return;
          if (event.key === "Enter") open(shown[at]);
          else if (event.key === "ArrowDown") move(at + 1);
          else if (event.key === "ArrowUp") move(at - 1);
          else if (event.key === "PageDown") move(at + 10);
          else if (event.key === "PageUp") move(at - 10);
          else if (event.key === "Escape") setSearch("");
          else return;
          event.preventDefault();
        }}
      />
      {allLabels.length > 0 && (
        <Group gap="xs" role="group" aria-label={words.targets.filters}>
          <Chip.Group multiple value={labels} onChange={setLabels}>
            {allLabels.map((label) => (
              <Chip key={label} value={label} size="xs" variant="outline">
                {printable(label, 60)}
              </Chip>
            ))}
          </Chip.Group>
        </Group>
      )}
      <Group justify="space-between">
        <Text size="sm" c="dimmed" role="status">
          {words.targets.count(shown.length, targets.length)}
        </Text>
        <Text size="sm" c="dimmed" visibleFrom="sm">
          <Kbd size="xs">/</Kbd> <Kbd size="xs">↑</Kbd> <Kbd size="xs">↓</Kbd> <Kbd size="xs">Enter</Kbd>
        </Text>
      </Group>
      {!allowed && <Text size="sm">{words.targets.notAllowed}</Text>}
      {shown.length === 0 ? (
        <StatePanel icon="search" title={words.targets.noneTitle} text={words.targets.none} />
      ) : (
        <Paper withBorder style={{ overflow: "hidden" }}>
          <Box id="target-list" role="listbox" aria-label={words.targets.title}>
            {shown.map((target, index) => (
              <TargetRow
                key={target.name}
                target={target}
                id={`target-${index}`}
                chosen={index === at}
                allowed={mayOpenOn(target)}
                usedAtMs={history.get(target.name)}
                onOpen={open}
              />
            ))}
          </Box>
        </Paper>
      )}
    </NowProvider>
  );
}

function Loading() {
  const words = useWords();
  return (
    <Stack role="status" aria-label={words.connection.loading}>
      {["a", "b", "c", "d"].map((key) => (
        <Skeleton key={key} height={52} />
      ))}
    </Stack>
  );
}

/** "/" goes to the search from anywhere that is not a field itself. */
function useSlashFocuses(field: { current: HTMLInputElement | null }) {
  useEffect(() => {
    const listen = (event: KeyboardEvent) => {
      if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey) return;
      if (event.target instanceof HTMLElement && event.target.closest("input, textarea, [contenteditable]")) return;
      event.preventDefault();
      field.current?.focus();
    };
    document.addEventListener("keydown", listen);
    return () => document.removeEventListener("keydown", listen);
  }, [field]);
}

function labelsOf(target: Target): string[] {
  return Object.entries(target.labels).map(([key, value]) => `${key}=${value}`);
}

/** Every word of the search somewhere in the target; of the labels chosen, one of each key. */
function found(targets: readonly Target[], search: string, labels: readonly string[]): Target[] {
  const sought = search.toLowerCase().split(/\s+/).filter(Boolean);
  const wanted = Map.groupBy(labels, (label) => label.split("=", 1)[0]);
  return targets.filter((target) => {
    const own = labelsOf(target);
    const text = [target.name, target.address, target.user, ...own].join("\n").toLowerCase();
    return (
      sought.every((word) => text.includes(word)) &&
      [...wanted.values()].every((any) => any.some((each) => own.includes(each)))
    );
  });
}

function byUse(history: ReadonlyMap<string, number>, a: Target, b: Target): number {
  return (history.get(b.name) ?? 0) - (history.get(a.name) ?? 0) || a.name.localeCompare(b.name);
}
