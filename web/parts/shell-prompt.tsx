/** A login's question to the operator: is it the right host, a password, codes. Answers leave no trace in the page. */

import { Alert, Button, Code, Group, Modal, PasswordInput, Progress, Stack, Text, TextInput } from "@mantine/core";
import { type FormEvent, useState } from "react";
import { printable } from "../../proto/client/index.ts";
import { type HostKey, type Prompt, PromptKind } from "../../proto/gen/bartizan/v1/session_pb.ts";
import type { Messages } from "../messages/en.ts";
import type { TabState } from "../shell-state.ts";
import type { ShellTab } from "../shell-tab.ts";
import { useWords } from "./language.tsx";
import { useSecondsUntil } from "./use-seconds-until.ts";

export interface ShellPromptProps {
  readonly tab: ShellTab;
  readonly open: NonNullable<TabState["prompt"]>;
}

export function ShellPrompt({ tab, open: { prompt, untilMs } }: ShellPromptProps) {
  const { prompt: words, shortcuts } = useWords().shell;
  const seconds = useSecondsUntil(untilMs);
  const target = printable(tab.state.target, 60);
  const giveUp = () => tab.answer(undefined);
  return (
    // No transition: the next keys belong to the field, from the first moment on.
    <Modal
      opened
      onClose={giveUp}
      transitionProps={{ duration: 0 }}
      returnFocus={false}
      closeButtonProps={{ "aria-label": shortcuts.close }}
      title={titleOf(words, prompt, target)}
      closeOnClickOutside={false}
      centered
      size="lg"
    >
      <Stack gap="md" data-testid="prompt">
        {prompt.kind === PromptKind.HOST_KEY ? (
          <HostKeyQuestion hostKey={prompt.hostKey} onAnswer={(trusted) => tab.answer(trusted ? [] : undefined)} />
        ) : (
          <Questions prompt={prompt} target={target} onAnswer={(answers) => tab.answer(answers)} onGiveUp={giveUp} />
        )}
        <div>
          <Progress value={(100_000 * seconds) / Math.max(1, prompt.timeoutMs)} size="xs" aria-hidden="true" />
          <Text size="xs" c="dimmed" mt={4}>
            {seconds > 0 ? words.left(seconds) : words.over}
          </Text>
        </div>
      </Stack>
    </Modal>
  );
}

function titleOf(words: Messages["shell"]["prompt"], prompt: Prompt, target: string): string {
  switch (prompt.kind) {
    case PromptKind.HOST_KEY:
      return words.hostKey;
    case PromptKind.PASSWORD:
      return words.password(target);
    case PromptKind.NEW_PASSWORD:
      return words.newPassword(target);
    default:
      return words.questions(target);
  }
}

function HostKeyQuestion({ hostKey, onAnswer }: { hostKey: HostKey | undefined; onAnswer(trusted: boolean): void }) {
  const words = useWords().shell.prompt;
  const [expected, setExpected] = useState("");
  const fingerprint = printable(hostKey?.fingerprint ?? "", 100);
  const compared = expected.trim() === "" ? undefined : sameFingerprint(expected, fingerprint);
  return (
    <>
      <Text>{words.hostKeyText(printable(hostKey?.host ?? "", 200))}</Text>
      <Stack gap={4}>
        <Text size="sm" c="dimmed">
          {words.type}: <Code>{printable(hostKey?.type ?? "", 60)}</Code>
        </Text>
        <Text size="sm" c="dimmed">
          {words.fingerprint}:
        </Text>
        <Code block fz="md" data-testid="fingerprint" style={{ overflowWrap: "anywhere", whiteSpace: "pre-wrap" }}>
          {fingerprint}
        </Code>
      </Stack>
      <TextInput
        label={words.expected}
        value={expected}
        onChange={(event) => setExpected(event.currentTarget.value)}
        placeholder="SHA256:…"
        autoComplete="off"
        spellCheck={false}
        autoFocus
        data-autofocus
      />
      {compared !== undefined && (
        <Alert color={compared ? "teal" : "red"} role="status" p="xs">
          {compared ? words.same : words.different}
        </Alert>
      )}
      <Group justify="flex-end" gap="sm">
        <Button variant="default" onClick={() => onAnswer(false)}>
          {words.refuse}
        </Button>
        <Button
          {...(compared === true ? { color: "teal" } : {})}
          disabled={compared === false}
          onClick={() => onAnswer(true)}
        >
          {words.trust}
        </Button>
      </Group>
    </>
  );
}

/** A fingerprint is compared whole; its "SHA256:", padding and what `ssh-keygen -l` prints around it may differ. */
export function sameFingerprint(expected: string, shown: string): boolean {
  const bare = (text: string) => text.replace(/^SHA256:/i, "").replace(/=+$/, "");
  return expected
    .trim()
    .split(/\s+/)
    .some((word) => bare(word) === bare(shown));
}

interface QuestionsProps {
  readonly prompt: Prompt;
  readonly target: string;
  onAnswer(answers: string[]): void;
  onGiveUp(): void;
}

function Questions({ prompt, target, onAnswer, onGiveUp }: QuestionsProps) {
  const words = useWords().shell.prompt;
  const { questions, title, instructions } = prompt;
  const foreign = [title, instructions].flatMap((text) => text.split("\n")).filter((line) => line.trim() !== "");
  function send(event: FormEvent<HTMLFormElement>): void {
    event.preventDefault();
    const form = event.currentTarget;
    // Read from the fields at the last moment: the answers are kept nowhere else.
    const answers = questions.map(
      (_, at) => (form.elements.namedItem(`answer-${at}`) as HTMLInputElement | null)?.value ?? "",
    );
    form.reset();
    onAnswer(answers);
  }
  return (
    <form onSubmit={send} autoComplete="off">
      <Stack gap="md">
        {foreign.length > 0 && (
          <div>
            {prompt.kind === PromptKind.KEYBOARD_INTERACTIVE && (
              <Text size="xs" c="dimmed">
                {words.fromTarget}
              </Text>
            )}
            <Text style={{ whiteSpace: "pre-wrap", overflowWrap: "anywhere" }}>
              {foreign.map((line) => printable(line)).join("\n")}
            </Text>
          </div>
        )}
        {questions.map((question, at) => {
          const Field = question.echo ? TextInput : PasswordInput;
          return (
            <Field
              // biome-ignore lint/suspicious/noArrayIndexKey: the questions of a prompt never change
              key={at}
              name={`answer-${at}`}
              label={printable(question.label, 200).trim() || words.password(target)}
              autoComplete={question.echo ? "one-time-code" : "off"}
              spellCheck={false}
              maxLength={4096}
              autoFocus={at === 0}
              {...(at === 0 ? { "data-autofocus": true } : {})}
            />
          );
        })}
        <Group justify="flex-end" gap="sm">
          <Button variant="default" onClick={onGiveUp}>
            {words.cancel}
          </Button>
          <Button type="submit">{words.send}</Button>
        </Group>
      </Stack>
    </form>
  );
}
