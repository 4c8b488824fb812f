/** A call that failed: what happened, what to do about it, and a way to try again. */

import { Button, Text } from "@mantine/core";
import { useLocation } from "wouter";
import { faultOf, printable } from "../../proto/client/index.ts";
import { useFaultWords } from "./fault-words.ts";
import { useWords } from "./language.tsx";
import { originOf } from "./shell-away.tsx";
import { StatePanel } from "./state-panel.tsx";

export function FaultPanel({ error, retry }: { error: unknown; retry?: () => void }) {
  const words = useWords();
  const fault = faultOf(error);
  const { what, todo, original } = useFaultWords(fault);
  const there = originOf(fault.address);
  const [path] = useLocation();
  if (fault.word === "unauthenticated")
    return <StatePanel icon="alert" title={words.access.endedTitle} text={words.access.endedCall} alert />;
  return (
    <StatePanel icon="alert" title={what} text={todo} alert>
      {original !== "" && (
        <Text size="sm" c="dimmed">
          {original}
        </Text>
      )}
      {fault.logId !== "" && (
        <Text size="sm" c="dimmed">
          {words.fault.log(printable(fault.logId, 80))}
        </Text>
      )}
      {there !== undefined && (
        <Button component="a" href={`${there}${path}`} target="_blank" rel="noopener noreferrer">
          {words.shell.failed.there(there)}
        </Button>
      )}
      {there !== undefined && (
        <Text size="sm" c="dimmed">
          {words.fault.thereHint}
        </Text>
      )}
      {retry !== undefined && (
        <Button variant={there === undefined ? "filled" : "default"} onClick={retry}>
          {words.fault.retry}
        </Button>
      )}
    </StatePanel>
  );
}
