/** The commands that a watched session's operator entered last, as they come; one line, or a few when unfolded. */

import { Button, Collapse, Group } from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import { printable } from "../../proto/client/index.ts";
import type { TypedCommand } from "../../proto/gen/bartizan/v1/command_pb.ts";
import { CommandMarks, commandText } from "./command-marks.tsx";
import { Icon } from "./icons.tsx";
import { useWords } from "./language.tsx";

/** Nothing at all while none is known. Newest first. */
export function NewestCommands({ commands }: { commands: readonly TypedCommand[] }) {
  const words = useWords().past.commands;
  const [opened, unfold] = useDisclosure(false);
  const [newest] = commands;
  if (newest === undefined) return null;
  return (
    <section className="newest-commands" aria-label={words.newest} data-testid="newest-commands">
      <Group gap="sm" wrap="nowrap">
        <Icon name="prompt" size={16} />
        <code className="command-text" data-single="true" role="status">
          {printable(newest.text.replaceAll("\n", " ⏎ "), 300)}
        </code>
        <CommandMarks command={newest} />
        <span style={{ flex: 1 }} />
        <Button
          size="compact-sm"
          variant="subtle"
          color="gray"
          aria-expanded={opened}
          onClick={unfold.toggle}
          rightSection={<Icon name={opened ? "down" : "up"} size={14} />}
        >
          {opened ? words.hide : words.show}
        </Button>
      </Group>
      <Collapse expanded={opened}>
        <ol className="newest-list scrolls">
          {commands.map((command) => (
            <li key={command.number}>
              <code className="command-text">{commandText(command)}</code>
              <CommandMarks command={command} />
            </li>
          ))}
        </ol>
      </Collapse>
    </section>
  );
}
