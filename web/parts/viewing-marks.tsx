/** What is known about a viewing at this moment: live, how late, what was skipped, who else looks. */

import { Badge, type BadgeProps, Group, Text, Tooltip } from "@mantine/core";
import type { ReactNode } from "react";
import { printable } from "../../proto/client/index.ts";
import type { ViewingState } from "../viewing.ts";
import { Icon } from "./icons.tsx";
import { useWords } from "./language.tsx";
import { amountWords, shortTimeWords } from "./phrases.ts";

export function ViewingMarks({ state }: { state: ViewingState }) {
  const words = useWords();
  const { phase, size, others, operatorHere, frozen, lagMs, skippedBytes, approximate } = state;
  return (
    <Group gap={8}>
      {phase === "live" && (
        <Badge variant="filled" color="red.9" leftSection={<span className="live-dot" />} data-testid="live">
          {words.watch.live}
        </Badge>
      )}
      {phase === "reconnecting" && (
        <Badge variant="light" color="orange">
          {words.connection.staleShort}
        </Badge>
      )}
      {phase === "ended" && (
        <Badge variant="default" color="gray">
          {words.watch.ended}
        </Badge>
      )}
      {phase === "live" && (
        <Mark hint={words.watch.lagHint} color={lagMs >= 1000 ? "orange" : "gray"} testid="lag">
          {words.watch.lag(shortTimeWords(lagMs))}
        </Mark>
      )}
      {phase === "live" && !operatorHere && (
        <Mark hint={words.watch.awayHint} color="orange" testid="away">
          {words.watch.away}
        </Mark>
      )}
      {phase === "live" && frozen !== undefined && (
        <Mark
          hint={words.locks.freeze.markHint(printable(frozen.by, 60), printable(frozen.reason, 300))}
          color="indigo"
          testid="frozen"
          icon={<Icon name="pause" size={14} />}
        >
          {words.locks.freeze.mark}
        </Mark>
      )}
      {skippedBytes > 0 && (
        <Mark hint={words.watch.skippedHint} color="orange" testid="skipped">
          {words.watch.skipped(amountWords(skippedBytes))}
        </Mark>
      )}
      {approximate && (
        <Mark hint={words.watch.approximateHint} color="orange" testid="approximate">
          {words.watch.approximate}
        </Mark>
      )}
      <Mark hint={words.watch.mutedHint} color="gray" testid="muted" icon={<Icon name="hands-off" size={14} />}>
        {words.watch.muted}
      </Mark>
      {size !== undefined && (
        <Text size="sm" c="dimmed" data-testid="size">
          {words.watch.size(size.cols, size.rows)}
        </Text>
      )}
      {phase === "live" && (
        <Text size="sm" c="dimmed" data-testid="others" visibleFrom="sm">
          {others.length === 0 ? words.watch.alone : words.watch.watchers(others.join(", "))}
        </Text>
      )}
    </Group>
  );
}

interface MarkProps {
  readonly hint: string;
  readonly color: NonNullable<BadgeProps["color"]>;
  readonly testid: string;
  readonly icon?: ReactNode;
  readonly children: ReactNode;
}

function Mark({ hint, color, testid, icon, children }: MarkProps) {
  return (
    <Tooltip label={hint} multiline maw={280} events={{ hover: true, focus: true, touch: true }}>
      <Badge variant="light" color={color} tt="none" tabIndex={0} data-testid={testid} leftSection={icon}>
        {children}
      </Badge>
    </Tooltip>
  );
}
