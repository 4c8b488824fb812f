/** What covers a shell that is on its way back: what is known of it, when the next attempt is, and where else it can be had. */

import { Button, Group, Loader, Paper, Stack, Text, Title } from "@mantine/core";
import { type CallFault, nodeOf, printable } from "../../proto/client/index.ts";
import type { Messages } from "../messages/en.ts";
import type { TabPhase } from "../shell-state.ts";
import type { ShellTab } from "../shell-tab.ts";
import { useFaultWords } from "./fault-words.ts";
import { useWords } from "./language.tsx";
import { useSecondsUntil } from "./use-seconds-until.ts";

export interface ShellAwayProps {
  readonly tab: ShellTab;
  readonly phase: Extract<TabPhase, { kind: "reconnecting" }>;
}

export function ShellAway({ tab, phase }: ShellAwayProps) {
  const { reconnecting: words, failed } = useWords().shell;
  const { fault } = phase;
  const seconds = useSecondsUntil(phase.retryAtMs);
  const { what } = useFaultWords(fault);
  const there = originOf(fault.address);
  return (
    <div className="shell-cover">
      <Paper withBorder shadow="lg" p="lg" maw={520} data-testid="reconnecting" data-fault={fault.word}>
        <Stack gap="sm">
          <Group gap="sm" wrap="nowrap">
            <Loader size="sm" color="yellow" />
            <Title order={2} size="h4" role="status">
              {words.title}
            </Title>
          </Group>
          <Text style={{ overflowWrap: "anywhere" }}>{awayWords(words, tab, fault, what)}</Text>
          {there !== undefined && <Text c="dimmed">{failed.thereHint}</Text>}
          <Group justify="space-between" gap="sm">
            <Text c="dimmed" size="sm">
              {seconds > 0 ? words.wait(seconds, phase.attempt) : words.now(phase.attempt)}
            </Text>
            <Group gap="sm">
              {there !== undefined && (
                <Button
                  component="a"
                  size="sm"
                  variant="default"
                  href={`${there}/sessions`}
                  target="_blank"
                  rel="noopener noreferrer"
                >
                  {failed.there(there)}
                </Button>
              )}
              <Button size="sm" onClick={() => tab.retry()} disabled={seconds === 0}>
                {words.try}
              </Button>
            </Group>
          </Group>
        </Stack>
      </Paper>
    </div>
  );
}

/** Only what is known: a lost connection says nothing about the shell, a node that answers does. */
function awayWords(words: Messages["shell"]["reconnecting"], tab: ShellTab, fault: CallFault, what: string): string {
  const node = nodeOf(tab.sessionId);
  if (fault.word === "not-here" && node !== undefined) return words.elsewhere(node, printable(fault.answeredBy, 60));
  if (fault.word === "holder-unreachable") return `${what} ${words.unknown}`;
  return words.text;
}

/** Where a shell is, when that is a place that a browser can go to. */
export function originOf(address: string): string | undefined {
  const url = URL.parse(address);
  return url !== null && /^https?:$/.test(url.protocol) ? url.origin : undefined;
}
