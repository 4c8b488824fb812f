/** The target's wish for the clipboard, asked beside the terminal so that it takes neither the focus nor a typed key. */

import { Button, Group, Paper, Stack, Text } from "@mantine/core";
import { useEffect, useId, useState } from "react";
import type { ClipboardWish } from "../shell-state.ts";
import { useWords } from "./language.tsx";
import { TextPreview } from "./text-preview.tsx";

/** As browsers do with their own questions: who was about to click or press something else has not read it yet. */
const armMs = 1000;

/** To be keyed by the wish: each text is to be read anew. */
export function ClipboardQuestion({ wish, onAnswered }: { wish: ClipboardWish; onAnswered(): void }) {
  const words = useWords().shell.clipboard;
  const [armed, setArmed] = useState(false);
  const title = useId();
  useEffect(() => {
    const timer = setTimeout(() => setArmed(true), armMs);
    return () => clearTimeout(timer);
  }, []);
  const answer = (allow: boolean) => {
    wish.answer(allow);
    onAnswered();
  };
  return (
    <Paper withBorder shadow="md" p="sm" role="dialog" aria-labelledby={title} data-testid="clipboard">
      <Stack gap="xs">
        <Text fw={600} size="sm" id={title}>
          {words.title}
        </Text>
        <Text size="sm">{words.text([...wish.text].length)}</Text>
        <TextPreview label={words.content} text={wish.text} />
        <Group justify="flex-end" gap="sm">
          <Button size="xs" variant="default" onClick={() => answer(false)}>
            {words.refuse}
          </Button>
          <Button size="xs" disabled={!armed} onClick={() => answer(true)}>
            {words.allow}
          </Button>
        </Group>
      </Stack>
    </Paper>
  );
}
