/** What stands in a page's place when there is nothing to list: empty, failed, not found, not allowed. */

import { Center, Stack, Text, ThemeIcon, Title } from "@mantine/core";
import type { ReactNode } from "react";
import { Icon, type IconName } from "./icons.tsx";

export interface StatePanelProps {
  readonly icon: IconName;
  readonly title: string;
  readonly text?: string | undefined;
  /** Whether it is a failure that a screen reader should say at once. */
  readonly alert?: boolean;
  /** What one can do: a button, a command. */
  readonly children?: ReactNode;
}

export function StatePanel({ icon, title, text, alert = false, children }: StatePanelProps) {
  return (
    <Center mih={260} p="xl">
      <Stack align="center" gap="md" maw={520} role={alert ? "alert" : "status"}>
        <ThemeIcon variant="light" color={alert ? "orange" : "cyan"} size={56} radius="xl">
          <Icon name={icon} size={28} />
        </ThemeIcon>
        <Title order={2} size="h3" ta="center">
          {title}
        </Title>
        {text !== undefined && (
          <Text c="dimmed" ta="center">
            {text}
          </Text>
        )}
        {children}
      </Stack>
    </Center>
  );
}
