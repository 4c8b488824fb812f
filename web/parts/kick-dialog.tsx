/** Asks for the reason of a kick, gives the order, and tells what is known about the end: no more, no less. */

import { Alert, Button, Group, Loader, Modal, Select, Stack, Text, Textarea } from "@mantine/core";
import { useMutation } from "@tanstack/react-query";
import { type FormEvent, type RefObject, useEffect, useRef, useState } from "react";
import { isLostCall } from "../../proto/client/faults.ts";
import { endCause, faultOf, KickOutcome, printable, type SessionInfo } from "../../proto/client/index.ts";
import { KickLockScope, type KickResponse } from "../../proto/gen/bartizan/v1/session_pb.ts";
import type { Messages } from "../messages/en.ts";
import { useFaultWords } from "./fault-words.ts";
import { useWords } from "./language.tsx";
import { LockSpan, untilPart } from "./lock-span.tsx";
import { usePage } from "./page-context.tsx";
import { causeWords, operatorOf, shortTimeWords } from "./phrases.ts";
import { isOwn, knowsWatchers, mayLockAfter } from "./rights.ts";

/** Longer than the server waits for the session's holder. */
const answerTimeoutMs = 20_000;
const longestReason = 500;
const hourMs = 3_600_000;

export interface KickDialogProps {
  /** Whom; undefined: the dialog is closed. */
  readonly session: SessionInfo | undefined;
  onClose(): void;
}

export function KickDialog({ session, onClose }: KickDialogProps) {
  const words = useWords();
  // Escape and the cross first only end the waiting for an order that was given.
  const stopWaiting = useRef<(() => void) | undefined>(undefined);
  return (
    <Modal
      opened={session !== undefined}
      onClose={() => (stopWaiting.current ?? onClose)()}
      title={
        <Text fw={600} component="span">
          {session && words.kick.title(operatorOf(session), printable(session.target, 80))}
        </Text>
      }
      centered
      closeButtonProps={{ "aria-label": words.kick.close }}
    >
      {session !== undefined && (
        <Asking key={session.id} session={session} onClose={onClose} stopWaiting={stopWaiting} />
      )}
    </Modal>
  );
}

interface AskingProps {
  readonly session: SessionInfo;
  onClose(): void;
  /** Set while an order is under way. */
  readonly stopWaiting: RefObject<(() => void) | undefined>;
}

function Asking({ session, onClose, stopWaiting }: AskingProps) {
  const words = useWords();
  const { who, api } = usePage();
  const [reason, setReason] = useState("");
  const [missing, setMissing] = useState(false);
  // The same order again is the same order: asking twice never kicks twice.
  const [idempotencyId] = useState(() => crypto.randomUUID());
  const [scope, setScope] = useState<KickLockScope>(KickLockScope.UNSPECIFIED);
  const [spanMs, setSpanMs] = useState<number | undefined>(hourMs);
  const waiting = useRef<AbortController>(undefined);
  const kick = useMutation({
    mutationFn: () => {
      waiting.current = new AbortController();
      return api.clients.sessions.kick(
        { sessionId: session.id, reason: reason.trim(), idempotencyId, ...lockPart(scope, spanMs) },
        { timeoutMs: answerTimeoutMs, signal: waiting.current.signal },
      );
    },
  });
  const stop = () => waiting.current?.abort();
  useEffect(() => {
    stopWaiting.current = kick.isPending ? () => waiting.current?.abort() : undefined;
    return () => {
      stopWaiting.current = undefined;
    };
  }, [stopWaiting, kick.isPending]);
  // The dialog can also go with its page.
  useEffect(() => () => waiting.current?.abort(), []);
  const closeButton = useRef<HTMLButtonElement>(null);
  const known = kick.data !== undefined;
  useEffect(() => {
    if (known) closeButton.current?.focus();
  }, [known]);

  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (reason.trim() === "") setMissing(true);
    else if (!kick.isPending) kick.mutate();
  };
  if (kick.data !== undefined) {
    return (
      <Stack>
        <Outcome answer={kick.data} />
        <Group justify="flex-end">
          <Button ref={closeButton} onClick={onClose}>
            {words.kick.close}
          </Button>
        </Group>
      </Stack>
    );
  }
  const again = kick.isError && isLostCall(kick.error);
  return (
    <form onSubmit={submit} noValidate>
      <Stack>
        {isOwn(who, session) && <Text fw={500}>{words.kick.self}</Text>}
        <Text size="sm">{words.kick.explain}</Text>
        <Textarea
          label={words.kick.reason}
          description={words.kick.reasonHint}
          required
          data-autofocus
          autosize
          minRows={2}
          maxRows={6}
          maxLength={longestReason}
          value={reason}
          disabled={kick.isPending || again}
          error={missing ? words.kick.reasonNeeded : undefined}
          onChange={(event) => {
            setReason(event.currentTarget.value);
            setMissing(false);
          }}
          onKeyDown={(event) => {
            if (event.key === "Enter" && !event.shiftKey && !event.nativeEvent.isComposing) submit(event);
          }}
        />
        {mayLockAfter(session) && (
          <Select
            label={words.locks.kick.label}
            allowDeselect={false}
            disabled={kick.isPending || again}
            data={scopesOf(words, session)}
            value={String(scope)}
            onChange={(value) => setScope(Number(value ?? 0) as KickLockScope)}
          />
        )}
        {scope !== KickLockScope.UNSPECIFIED && <LockSpan value={spanMs} onChange={setSpanMs} />}
        {kick.isPending && (
          <Group gap="xs" role="status">
            <Loader size="xs" />
            <Text size="sm">{words.kick.working}</Text>
          </Group>
        )}
        {kick.isError && <Failure error={kick.error} lost={again} stopped={waiting.current?.signal.aborted === true} />}
        <Group justify="flex-end">
          <Button variant="default" onClick={kick.isPending ? stop : onClose}>
            {kick.isPending ? words.kick.stopWaiting : again ? words.kick.close : words.kick.cancel}
          </Button>
          <Button type="submit" color="red" loading={kick.isPending}>
            {again ? words.kick.again : words.kick.confirm}
          </Button>
        </Group>
      </Stack>
    </form>
  );
}

function scopesOf(words: Messages, session: SessionInfo): { value: string; label: string }[] {
  const [name, target] = [operatorOf(session), printable(session.target, 80)];
  return [
    { value: String(KickLockScope.UNSPECIFIED), label: words.locks.kick.none },
    { value: String(KickLockScope.TARGET), label: words.locks.kick.target(target) },
    { value: String(KickLockScope.USER), label: words.locks.kick.user(name) },
    { value: String(KickLockScope.USER_ON_TARGET), label: words.locks.kick.both(name, target) },
  ];
}

function lockPart(scope: KickLockScope, spanMs: number | undefined) {
  return scope === KickLockScope.UNSPECIFIED ? {} : { lock: { scope, ...untilPart(spanMs) } };
}

function Outcome({ answer }: { answer: KickResponse }) {
  const words = useWords();
  const { who } = usePage();
  const { color, name, lines } = saidOf(words, answer, knowsWatchers(who));
  return (
    <Alert color={color} variant="light" role="status" data-testid="kick-outcome" data-outcome={name}>
      {answer.lock !== undefined && <Text>{words.locks.kick.set}</Text>}
      {answer.lockNotEverywhere && <Text>{words.locks.notEverywhere}</Text>}
      {lines.map((line) => (
        <Text key={line}>{line}</Text>
      ))}
    </Alert>
  );
}

function saidOf(
  words: Messages,
  answer: KickResponse,
  knows: boolean,
): { color: string; name: string; lines: string[] } {
  const took = shortTimeWords(answer.tookMs);
  switch (answer.outcome) {
    case KickOutcome.ENDED:
      // To whom the server may hide watchers, none is not said: there may have been some.
      return {
        ...{ color: "teal", name: "ended" },
        lines: [
          words.kick.ended(took),
          ...(knows || answer.watchersTold > 0 ? [words.kick.told(answer.watchersTold)] : []),
        ],
      };
    case KickOutcome.ALREADY_ENDED: {
      const how = answer.ended === undefined ? [] : [words.kick.how(causeWords(words, endCause(answer.ended)))];
      return { color: "blue", name: "already-ended", lines: [words.kick.already, ...how] };
    }
    case KickOutcome.UNREACHABLE:
      return { color: "orange", name: "unreachable", lines: [words.kick.unreachable(took)] };
    default:
      return { color: "orange", name: "unknown", lines: [words.kick.unknown] };
  }
}

function Failure({ error, lost, stopped }: { error: unknown; lost: boolean; stopped: boolean }) {
  const words = useWords();
  const { what, todo } = useFaultWords(faultOf(error));
  return (
    <Alert color="orange" variant="light" role="alert">
      {lost ? (
        <Text>{stopped ? words.kick.stopped : words.kick.lost}</Text>
      ) : (
        <>
          <Text>{what}</Text>
          <Text size="sm">{todo}</Text>
        </>
      )}
    </Alert>
  );
}
