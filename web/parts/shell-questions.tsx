/** What a shell asks before it does what a person began: paste several lines, open a link, close. */

import { Button, Group, Modal, Stack, Text } from "@mantine/core";
import type { ReactNode } from "react";
import { printable } from "../../proto/client/index.ts";
import type { TabQuestion } from "../shell-state.ts";
import type { ShellTab } from "../shell-tab.ts";
import { maxPasteBytes } from "../terminal-text.ts";
import { useWords } from "./language.tsx";
import { amountWords } from "./phrases.ts";
import { TextPreview } from "./text-preview.tsx";

export function ShellQuestion({ question }: { question: TabQuestion }) {
  switch (question.kind) {
    case "paste":
      return <PasteQuestion question={question} />;
    case "link":
      return <LinkQuestion question={question} />;
  }
}

function PasteQuestion({ question: { paste, answer } }: { question: Extract<TabQuestion, { kind: "paste" }> }) {
  const words = useWords().shell.paste;
  const tooLong = paste.bytes > maxPasteBytes;
  return (
    <Dialog title={tooLong ? words.tooLong : words.title} onClose={() => answer(false)}>
      <Text>{tooLong ? words.tooLongText(amountWords(paste.bytes)) : words.text(paste.lines)}</Text>
      {paste.cleaned && !tooLong && <Text c="dimmed">{words.cleaned}</Text>}
      {!tooLong && <TextPreview label={words.content} text={paste.text} />}
      <Group justify="flex-end" gap="sm">
        <Button variant="default" onClick={() => answer(false)}>
          {words.no}
        </Button>
        {!tooLong && (
          <Button data-autofocus onClick={() => answer(true)}>
            {words.yes}
          </Button>
        )}
      </Group>
    </Dialog>
  );
}

function LinkQuestion({ question: { url, answer } }: { question: Extract<TabQuestion, { kind: "link" }> }) {
  const words = useWords().shell.link;
  return (
    <Dialog title={words.title} onClose={answer}>
      <Text>{words.text}</Text>
      <Text>
        {words.host}: <b style={{ overflowWrap: "anywhere" }}>{new URL(url).host}</b>
      </Text>
      <TextPreview label={words.text} text={url} />
      <Group justify="flex-end" gap="sm">
        <Button variant="default" onClick={answer} data-autofocus>
          {words.no}
        </Button>
        <Button
          variant="default"
          onClick={() => {
            navigator.clipboard.writeText(url).catch(() => {});
            answer();
          }}
        >
          {words.copy}
        </Button>
        <Button component="a" href={url} target="_blank" rel="noopener noreferrer" onClick={answer}>
          {words.open}
        </Button>
      </Group>
    </Dialog>
  );
}

export interface CloseQuestionProps {
  readonly tab: ShellTab;
  onClose(shell: "end" | "keep"): void;
  onCancel(): void;
}

export function CloseQuestion({ tab, onClose, onCancel }: CloseQuestionProps) {
  const words = useWords().shell.close;
  const { target, graceMs } = tab.state;
  return (
    <Dialog title={words.title(printable(target, 60))} onClose={onCancel}>
      <Text>{words.text(Math.floor(graceMs / 60_000))}</Text>
      <Group justify="flex-end" gap="sm">
        <Button variant="default" onClick={onCancel} data-autofocus>
          {words.cancel}
        </Button>
        <Button variant="default" onClick={() => onClose("keep")}>
          {words.keep}
        </Button>
        <Button color="red" onClick={() => onClose("end")}>
          {words.end}
        </Button>
      </Group>
    </Dialog>
  );
}

function Dialog({ title, onClose, children }: { title: string; onClose(): void; children: ReactNode }) {
  const close = useWords().shell.shortcuts.close;
  return (
    <Modal opened onClose={onClose} title={title} centered size="lg" closeButtonProps={{ "aria-label": close }}>
      <Stack gap="md" data-testid="question">
        {children}
      </Stack>
    </Modal>
  );
}
