/** Switches the sound of terminal bells on and off, for all terminals of this browser. */

import { Button, Tooltip } from "@mantine/core";
import { useSyncExternalStore } from "react";
import { Icon } from "./icons.tsx";
import { useWords } from "./language.tsx";
import { usePage } from "./page-context.tsx";

/** `onSwitchedOn`: a first ring, so that one hears what one gets; browsers also want a click before the first sound. */
export function BellSwitch({ onSwitchedOn }: { onSwitchedOn(): void }) {
  const words = useWords().watch;
  const { settings } = usePage();
  const { bellSound } = useSyncExternalStore(settings.subscribe, settings.get);
  return (
    <Tooltip label={words.bellHint} multiline maw={280}>
      <Button
        size="compact-sm"
        variant="default"
        role="switch"
        aria-checked={bellSound}
        leftSection={<Icon name={bellSound ? "bell" : "bell-off"} size={14} />}
        onClick={() => {
          settings.change({ bellSound: !bellSound });
          if (!bellSound) onSwitchedOn();
        }}
      >
        {bellSound ? words.bellOn : words.bellOff}
      </Button>
    </Tooltip>
  );
}
