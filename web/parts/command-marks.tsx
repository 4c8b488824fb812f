/** What is known of a command besides its text: how it ended, how long it took, how far the text can be trusted. */

import { Badge, Group, Text, Tooltip } from "@mantine/core";
import { printable } from "../../proto/client/index.ts";
import { Confidence, type TypedCommand } from "../../proto/gen/bartizan/v1/command_pb.ts";
import { useWords } from "./language.tsx";
import { tookWords } from "./phrases.ts";

const confidences: Readonly<Record<number, "declared" | "observed" | "typed">> = {
  [Confidence.DECLARED]: "declared",
  [Confidence.OBSERVED]: "observed",
  [Confidence.TYPED]: "typed",
};

export function CommandMarks({ command }: { command: TypedCommand }) {
  const words = useWords().past.commands;
  const { startedMs, endedMs, exitCode, cwd } = command;
  const confidence = confidences[command.confidence] ?? "unknown";
  return (
    <Group component="span" gap={8} className="command-marks">
      {exitCode !== undefined && (
        <Tooltip label={words.exitHint}>
          <Badge
            component="span"
            size="sm"
            variant="light"
            color={exitCode === 0 ? "teal" : "red"}
            tt="none"
            data-testid="exit"
          >
            {words.exit(exitCode)}
          </Badge>
        </Tooltip>
      )}
      {endedMs !== undefined && (
        <Text span size="xs" c="dimmed" className="figures">
          {words.took(tookWords(Number(endedMs - startedMs)))}
        </Text>
      )}
      <Tooltip label={words.confidenceHints[confidence]} multiline maw={260}>
        <Text span size="xs" c="dimmed" data-testid="confidence" className="command-confidence" data-word={confidence}>
          {words.confidence[confidence]}
        </Text>
      </Tooltip>
      {cwd !== "" && (
        <Text span size="xs" c="dimmed" ff="monospace" truncate maw="100%">
          {words.cwd(printable(cwd, 120))}
        </Text>
      )}
    </Group>
  );
}

/** A command's text, safe to show; its lines stay lines. */
export function commandText({ text }: Pick<TypedCommand, "text">): string {
  return text
    .split("\n")
    .map((line) => printable(line, 2000))
    .join("\n");
}
