/** One shell's place: its terminal, and over it what the shell has to say about its connection and its end. */

import { Alert, Button, CloseButton, Group, Loader, Paper, Stack, Text, Title } from "@mantine/core";
import { useEffect, useRef, useSyncExternalStore } from "react";
import { type CallFault, type EndCause, printable } from "../../proto/client/index.ts";
import type { Messages } from "../messages/en.ts";
import type { TabPhase } from "../shell-state.ts";
import type { ShellTab } from "../shell-tab.ts";
import { ClipboardQuestion } from "./clipboard-question.tsx";
import { useFaultWords } from "./fault-words.ts";
import { Icon } from "./icons.tsx";
import { useWords } from "./language.tsx";
import { originOf, ShellAway } from "./shell-away.tsx";

export interface ShellPaneProps {
  readonly tab: ShellTab;
  readonly front: boolean;
  /** A shell on the target anew, in place of the one that ended. */
  onAgain(): void;
  onTargets(): void;
  onSessions(): void;
  onClose(): void;
}

export function ShellPane(props: ShellPaneProps) {
  const { tab, front } = props;
  const host = useRef<HTMLDivElement>(null);
  const state = useSyncExternalStore(tab.subscribe, () => tab.state);
  useEffect(() => (host.current === null ? undefined : tab.show(host.current)), [tab]);
  return (
    <div
      className="shell-pane"
      role="tabpanel"
      id={`${tab.key}-panel`}
      aria-labelledby={`${tab.key}-tab`}
      data-front={front}
      data-testid="shell-pane"
      data-phase={state.phase.kind}
      inert={!front}
    >
      <div className="shell-host" ref={host} />
      <Notices tab={tab} />
      <Phase {...props} phase={state.phase} />
    </div>
  );
}

function Notices({ tab }: { tab: ShellTab }) {
  const words = useWords().shell;
  const frozenWords = useWords().locks.freeze;
  const { notices, discardedBytes, clipboard, frozen } = tab.state;
  return (
    <div className="shell-notices" role="log" aria-live="polite">
      {clipboard !== undefined && (
        <ClipboardQuestion key={clipboard.id} wish={clipboard} onAnswered={() => tab.view?.focus()} />
      )}
      {frozen !== undefined && (
        <Alert color="indigo" title={frozenWords.you(printable(frozen.by, 60))} data-testid="frozen">
          <Text size="sm">{printable(frozen.reason, 500)}</Text>
          <Text size="xs" c="dimmed">
            {frozenWords.youHint}
          </Text>
        </Alert>
      )}
      {discardedBytes > 0 && (
        <Alert color="yellow" withCloseButton closeButtonLabel={words.notices.dismiss} onClose={() => tab.dismiss(0)}>
          {words.reconnecting.discarded(discardedBytes)}
        </Alert>
      )}
      {notices.map(({ id, about, text }) => (
        <Paper key={id} withBorder shadow="md" p="sm" pr="xs">
          <Group wrap="nowrap" align="flex-start" gap="sm">
            <div style={{ minWidth: 0, flex: 1 }}>
              <Text size="xs" c="dimmed" fw={600}>
                {words.notices[about]}
              </Text>
              <Text size="sm" mah={160} style={{ whiteSpace: "pre-wrap", overflow: "auto", overflowWrap: "anywhere" }}>
                {text
                  .split("\n")
                  .map((line) => printable(line))
                  .join("\n")}
              </Text>
            </div>
            <CloseButton size="sm" aria-label={words.notices.dismiss} onClick={() => tab.dismiss(id)} />
          </Group>
        </Paper>
      ))}
    </div>
  );
}

function Phase({ tab, phase, ...act }: ShellPaneProps & { phase: TabPhase }) {
  const words = useWords().shell;
  const target = printable(tab.state.target, 60);
  switch (phase.kind) {
    case "open":
      return null;
    case "waiting":
    case "connecting":
      return (
        <div className="shell-cover">
          <Group role="status" gap="sm">
            <Loader size="sm" />
            <Text>{words.connecting(target)}</Text>
          </Group>
        </div>
      );
    case "reconnecting":
      return <ShellAway tab={tab} phase={phase} />;
    case "failed":
      return phase.fault.word === "unauthenticated" ? (
        <SignedOut tab={tab} onClose={act.onClose} />
      ) : (
        <Failed {...act} tab={tab} fault={phase.fault} />
      );
    case "ended":
      return <Ended {...act} tab={tab} cause={phase.cause} />;
  }
}

function Failed({ tab, fault, ...act }: Omit<ShellPaneProps, "front"> & { fault: CallFault }) {
  const all = useWords();
  const words = all.shell;
  // A session that the server does not know any more is over, and nobody shall be sent to look for it.
  const over = fault.word === "not-found" && tab.sessionId !== undefined;
  const lost = tab.state.session !== undefined && !over;
  const { what, todo, original } = useFaultWords(fault);
  const there = originOf(fault.address);
  return (
    <div className="shell-cover">
      <Paper withBorder shadow="lg" p="lg" maw={560} role="alert" data-testid="shell-failed" data-fault={fault.word}>
        <Stack gap="sm">
          <Title order={2} size="h4">
            {over ? words.failed.over : lost ? words.failed.lost : words.failed.title(printable(tab.state.target, 60))}
          </Title>
          <Text style={{ overflowWrap: "anywhere" }}>{what}</Text>
          {original !== "" && (
            <Text size="sm" style={{ overflowWrap: "anywhere" }}>
              {original}
            </Text>
          )}
          {todo !== "" && !over && <Text c="dimmed">{todo}</Text>}
          {there === undefined && lost && <Text c="dimmed">{words.failed.lostHint}</Text>}
          {there !== undefined && <Text c="dimmed">{words.failed.thereHint}</Text>}
          {fault.logId !== "" && (
            <Text c="dimmed" size="sm">
              {all.fault.log(printable(fault.logId, 80))}
            </Text>
          )}
          <Group gap="sm" mt="xs">
            {there !== undefined && (
              <Button component="a" href={`${there}/sessions`} target="_blank" rel="noopener noreferrer">
                {words.failed.there(there)}
              </Button>
            )}
            <Button
              onClick={over ? act.onAgain : () => tab.retry()}
              variant={there === undefined ? "filled" : "default"}
            >
              {over ? words.ended.again : words.failed.again}
            </Button>
            {lost && (
              <Button variant="default" onClick={act.onSessions}>
                {words.failed.sessions}
              </Button>
            )}
            <Button variant="default" onClick={act.onClose}>
              {words.failed.close}
            </Button>
          </Group>
        </Stack>
      </Paper>
    </div>
  );
}

/** The last screen stays to be read behind it. */
function SignedOut({ tab, onClose }: { tab: ShellTab; onClose(): void }) {
  const words = useWords().shell.failed;
  const { session, graceMs } = tab.state;
  return (
    <div className="shell-cover">
      <Paper withBorder shadow="lg" p="lg" maw={560} role="status" data-testid="shell-signed-out">
        <Stack gap="sm">
          <Title order={2} size="h4">
            {words.signedOut}
          </Title>
          <Text>{words.signedOutHint(session === undefined ? 0 : Math.floor(graceMs / 60_000))}</Text>
          <Group gap="sm" mt="xs">
            <Button variant="default" onClick={onClose}>
              {words.close}
            </Button>
          </Group>
        </Stack>
      </Paper>
    </div>
  );
}

function Ended({ tab, cause, onAgain, onTargets, onClose }: Omit<ShellPaneProps, "front"> & { cause: EndCause }) {
  const words = useWords().shell;
  const kicked = cause.kind === "kicked";
  const takenOver = cause.kind === "closed" && cause.why === "taken-over";
  const well = cause.kind === "exited" && cause.code === 0;
  return (
    <div className="shell-foot">
      <Alert
        color={kicked ? "red" : well ? "gray" : "yellow"}
        variant="filled"
        autoContrast
        icon={<Icon name={kicked ? "alert" : "shell"} />}
        role={kicked ? "alert" : "status"}
        data-testid="ended"
        data-cause={cause.kind}
        maw={820}
        mx="auto"
        styles={{ root: { boxShadow: "var(--mantine-shadow-lg)" } }}
        title={endWords(words, cause)}
      >
        {kicked && cause.reason !== "" && <Text mb="xs">{words.ended.reason(printable(cause.reason))}</Text>}
        <Group gap="sm">
          {/* Who was sent away is not helped to come back. */}
          {kicked && (
            <Button variant="white" color="dark" size="sm" onClick={onTargets}>
              {words.ended.targets}
            </Button>
          )}
          {!kicked && (
            <Button variant="white" color="dark" size="sm" onClick={takenOver ? () => tab.retry() : onAgain}>
              {takenOver ? words.ended.takeBack : words.ended.again}
            </Button>
          )}
          {!kicked && (
            <Button variant="white" color="dark" size="sm" onClick={onClose}>
              {words.failed.close}
            </Button>
          )}
        </Group>
      </Alert>
    </div>
  );
}

function endWords({ ended }: Messages["shell"], cause: EndCause): string {
  switch (cause.kind) {
    case "exited":
      return ended.exited(cause.code);
    case "signalled":
      return ended.signalled(printable(cause.name, 20));
    case "lost":
      return ended.lost(printable(cause.reason, 300));
    case "kicked":
      return cause.by === "" ? ended.kickedNoName : ended.kicked(printable(cause.by, 100));
    case "closed":
      return cause.detail === undefined ? ended[cause.why] : `${ended[cause.why]} ${printable(cause.detail, 300)}`;
  }
}
