/** What a person sets about terminals: letters, lines, colours, screen reader, clipboard. Holds at once. */

import { Button, Group, Modal, NumberInput, SegmentedControl, Stack, Switch, Text } from "@mantine/core";
import { useId, useSyncExternalStore } from "react";
import {
  defaultSettings,
  fontSizes,
  type SettingsStore,
  scrollbackSizes,
  type TerminalSettings,
} from "../terminal-settings.ts";
import { useWords } from "./language.tsx";

export interface TerminalSettingsDialogProps {
  readonly opened: boolean;
  onClose(): void;
  readonly store: SettingsStore;
}

export function TerminalSettingsDialog({ opened, onClose, store }: TerminalSettingsDialogProps) {
  const { settings: words, shortcuts } = useWords().shell;
  const settings = useSyncExternalStore(store.subscribe, store.get);
  const coloursId = useId();
  const number = (name: "fontSizePx" | "scrollbackLines") => (value: number | string) => {
    if (typeof value === "number") store.change({ [name]: value });
  };
  const flag = (name: Flag, label: string, description?: string) => (
    <Switch
      label={label}
      description={description}
      checked={settings[name]}
      onChange={(event) => store.change({ [name]: event.currentTarget.checked })}
    />
  );
  return (
    <Modal
      opened={opened}
      onClose={onClose}
      title={words.title}
      centered
      closeButtonProps={{ "aria-label": shortcuts.close }}
    >
      <Stack gap="md">
        <NumberInput
          label={words.font}
          value={settings.fontSizePx}
          onChange={number("fontSizePx")}
          min={fontSizes.least}
          max={fontSizes.most}
          clampBehavior="blur"
          suffix=" px"
        />
        <NumberInput
          label={words.scrollback}
          value={settings.scrollbackLines}
          onChange={number("scrollbackLines")}
          min={scrollbackSizes.least}
          max={scrollbackSizes.most}
          step={1000}
          thousandSeparator=" "
        />
        <div>
          <Text size="sm" fw={500} mb={4} id={coloursId}>
            {words.colours}
          </Text>
          <SegmentedControl
            fullWidth
            aria-labelledby={coloursId}
            value={settings.colours}
            onChange={(colours) => store.change({ colours: colours as TerminalSettings["colours"] })}
            data={[
              { value: "page", label: words.page },
              { value: "light", label: words.light },
              { value: "dark", label: words.dark },
            ]}
          />
        </div>
        {flag("selectToCopy", words.selectToCopy)}
        {flag("askBeforePaste", words.askBeforePaste)}
        {flag("blinkingCursor", words.blinkingCursor)}
        {flag("bellSound", words.bellSound)}
        {flag("screenReader", words.screenReader, words.screenReaderHint)}
        <Group justify="space-between">
          <Button variant="subtle" onClick={() => store.change(defaultSettings)}>
            {words.reset}
          </Button>
          <Button onClick={onClose}>{words.done}</Button>
        </Group>
      </Stack>
    </Modal>
  );
}

type Flag = { [K in keyof TerminalSettings]: TerminalSettings[K] extends boolean ? K : never }[keyof TerminalSettings];
