/** How a download goes: the amount so far, a way to end it, or why it failed. */

import { Alert, Button, Group, Text } from "@mantine/core";
import { faultOf, printable } from "../../proto/client/index.ts";
import { Icon } from "./icons.tsx";
import { useWords } from "./language.tsx";
import { amountWords } from "./phrases.ts";
import type { Download } from "./use-download.ts";

export function DownloadMark({ download: { state, stop } }: { download: Download }) {
  const words = useWords().past.download;
  if (state === undefined) return null;
  const failed = state.error !== undefined;
  const fault = faultOf(state.error);
  return (
    <Alert
      color={failed ? "orange" : "cyan"}
      variant="light"
      icon={<Icon name={failed ? "alert" : "download"} />}
      role={failed ? "alert" : "status"}
      data-testid="download"
    >
      <Group justify="space-between" gap="sm">
        <div>
          <Text size="sm">
            {failed ? words.failed(state.name) : words.working(state.name, amountWords(state.bytes))}
          </Text>
          {failed && (
            <Text size="sm" c="dimmed">
              {printable(`${fault.message} ${fault.hint}`.trim())}
            </Text>
          )}
        </div>
        <Button size="compact-sm" variant="default" onClick={stop}>
          {failed ? words.dismiss : words.cancel}
        </Button>
      </Group>
    </Alert>
  );
}
