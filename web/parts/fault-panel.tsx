/** A call that failed: what happened, what to do about it, and a way to try again. */

import { Button, Text } from "@mantine/core";
import { faultOf, printable } from "../../proto/client/index.ts";
import { useWords } from "./language.tsx";
import { StatePanel } from "./state-panel.tsx";

export function FaultPanel({ error, retry }: { error: unknown; retry?: () => void }) {
  const words = useWords();
  const fault = faultOf(error);
  if (fault.word === "unauthenticated")
    return <StatePanel icon="alert" title={words.access.endedTitle} text={words.access.endedCall} alert />;
  const said = printable(fault.message) || words.fault.title;
  return (
    <StatePanel icon="alert" title={said} text={printable(fault.hint)} alert>
      {fault.logId !== "" && (
        <Text size="sm" c="dimmed">
          {words.fault.log(printable(fault.logId, 80))}
        </Text>
      )}
      {retry !== undefined && <Button onClick={retry}>{words.fault.retry}</Button>}
    </StatePanel>
  );
}
