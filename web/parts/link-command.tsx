/** The command that prints a link, to be copied. */

import { ActionIcon, Code, CopyButton, Group, Tooltip } from "@mantine/core";
import { Icon } from "./icons.tsx";
import { useWords } from "./language.tsx";

const command = "npx bartizan link";

export function LinkCommand() {
  const words = useWords().access;
  return (
    <Group gap="xs" wrap="nowrap">
      <Code fz="md" px="md" py={8} flex={1}>
        {command}
      </Code>
      <CopyButton value={command}>
        {({ copied, copy }) => (
          <Tooltip label={copied ? words.copied : words.copy}>
            <ActionIcon variant="default" size={38} onClick={copy} aria-label={words.copy}>
              <Icon name={copied ? "check" : "copy"} />
            </ActionIcon>
          </Tooltip>
        )}
      </CopyButton>
    </Group>
  );
}
