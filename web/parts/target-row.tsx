/** One target of the inventory, as an option of the list that the search field drives. */

import { timestampDate } from "@bufbuild/protobuf/wkt";
import { Badge, Box, Group, Text, ThemeIcon, Tooltip } from "@mantine/core";
import { printable } from "../../proto/client/index.ts";
import type { Lock } from "../../proto/gen/bartizan/v1/lock_pb.ts";
import { type Target, TargetKind } from "../../proto/gen/bartizan/v1/target_pb.ts";
import { Icon } from "./icons.tsx";
import { useWords } from "./language.tsx";
import { Age } from "./now.tsx";

export interface TargetRowProps {
  readonly target: Target;
  readonly id: string;
  readonly chosen: boolean;
  readonly allowed: boolean;
  /** Undefined: never, as far as this browser knows. */
  readonly usedAtMs: number | undefined;
  onOpen(target: Target): void;
}

export function TargetRow({ target, id, chosen, allowed, usedAtMs, onOpen }: TargetRowProps) {
  const words = useWords();
  const demo = target.kind === TargetKind.DEMO;
  return (
    // biome-ignore lint/a11y/useKeyWithClickEvents: the search field has the keys (aria-activedescendant)
    <div
      id={id}
      role="option"
      tabIndex={-1}
      className="target-row"
      aria-selected={chosen}
      aria-disabled={!allowed}
      onClick={() => onOpen(target)}
      data-testid="target"
      data-target={target.name}
    >
      <ThemeIcon variant="light" size={36} color={demo ? "grape" : "cyan"}>
        <Icon name={demo ? "shell" : "target"} />
      </ThemeIcon>
      <Box flex={1} miw={0}>
        <Group gap="xs">
          <Text fw={600} truncate>
            {printable(target.name, 80)}
          </Text>
          {demo && (
            <Badge size="xs" variant="light" color="grape">
              {words.targets.demo}
            </Badge>
          )}
          {target.lock !== undefined && <LockMark lock={target.lock} />}
          {Object.entries(target.labels).map(([key, value]) => (
            <Badge key={key} size="sm" variant="default" tt="none" fw={500}>
              {printable(`${key}=${value}`, 60)}
            </Badge>
          ))}
        </Group>
        <Text size="sm" c="dimmed" {...(demo ? {} : { ff: "monospace" })} truncate>
          {demo ? words.targets.demoHint : printable(`${target.user}@${target.address}`, 120)}
        </Text>
      </Box>
      {usedAtMs !== undefined && (
        <Text size="sm" c="dimmed" visibleFrom="sm">
          <Age sinceMs={usedAtMs} say={words.time.ago} />
        </Text>
      )}
      {allowed && (
        <Group gap={6} c="var(--mantine-primary-color-light-color)" wrap="nowrap" aria-hidden>
          <Text size="sm" fw={500} visibleFrom="xs">
            {words.targets.open}
          </Text>
          <Icon name="shell" />
        </Group>
      )}
    </div>
  );
}

function LockMark({ lock }: { lock: Lock }) {
  const words = useWords().locks;
  const until = lock.until === undefined ? words.lifted : timestampDate(lock.until).toLocaleString();
  const text = words.lockedBy(printable(lock.by, 60), until, printable(lock.reason, 300));
  return (
    <Tooltip label={text} multiline maw={320} events={{ hover: true, focus: true, touch: true }}>
      <Badge size="sm" variant="light" color="red" tt="none" data-testid="locked" aria-label={text}>
        {words.locked}
      </Badge>
    </Tooltip>
  );
}
