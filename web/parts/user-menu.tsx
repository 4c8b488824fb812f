/** The caller's menu: theme, language, terminal settings, and the way out. */

import { Avatar, Menu, Text, UnstyledButton, useMantineColorScheme } from "@mantine/core";
import { lazy, Suspense, useState } from "react";
import { en } from "../messages/en.ts";
import { zh } from "../messages/zh.ts";
import { Icon } from "./icons.tsx";
import { languageCodes, useLanguage } from "./language.tsx";
import { usePage } from "./page-context.tsx";

const TerminalSettingsDialog = lazy(async () => ({
  default: (await import("./terminal-settings-dialog.tsx")).TerminalSettingsDialog,
}));

const schemes = [
  ["light", "sun"],
  ["dark", "moon"],
  ["auto", "screen"],
] as const;
const ownNames = { en: en.language, zh: zh.language };

export function UserMenu() {
  const { code, words, choose } = useLanguage();
  const { who, api, settings } = usePage();
  const [settingsOpened, setSettingsOpened] = useState<boolean>();
  const { colorScheme, setColorScheme } = useMantineColorScheme();
  return (
    <>
      <Menu position="bottom-end" width={260} withinPortal>
        <Menu.Target>
          <UnstyledButton aria-label={words.user.menu(who.name)}>
            <Avatar size={32} radius="xl" color="cyan" name={who.name} />
          </UnstyledButton>
        </Menu.Target>
        <Menu.Dropdown>
          <Menu.Label>
            <Text fw={600} c="var(--mantine-color-text)" truncate>
              {who.name}
            </Text>
            <Text size="xs">{who.roles.join(", ")}</Text>
          </Menu.Label>
          <Menu.Divider />
          <Menu.Label>{words.user.theme}</Menu.Label>
          {schemes.map(([scheme, icon]) => (
            <Menu.Item
              key={scheme}
              role="menuitemradio"
              aria-checked={colorScheme === scheme}
              leftSection={<Icon name={icon} />}
              rightSection={colorScheme === scheme ? <Icon name="check" /> : undefined}
              onClick={() => setColorScheme(scheme)}
            >
              {words.user[scheme]}
            </Menu.Item>
          ))}
          <Menu.Divider />
          <Menu.Label>{words.user.language}</Menu.Label>
          {languageCodes.map((each) => (
            <Menu.Item
              key={each}
              role="menuitemradio"
              aria-checked={code === each}
              lang={each}
              rightSection={code === each ? <Icon name="check" /> : undefined}
              onClick={() => choose(each)}
            >
              {ownNames[each]}
            </Menu.Item>
          ))}
          <Menu.Divider />
          <Menu.Item leftSection={<Icon name="settings" />} onClick={() => setSettingsOpened(true)}>
            {words.user.terminal}
          </Menu.Item>
          <Menu.Item leftSection={<Icon name="kick" />} onClick={() => api.access.leave()}>
            {words.user.leave}
          </Menu.Item>
          <Menu.Divider />
          <Menu.Label>{words.user.server(who.node, who.serverVersion)}</Menu.Label>
        </Menu.Dropdown>
      </Menu>
      {settingsOpened !== undefined && (
        <Suspense>
          <TerminalSettingsDialog store={settings} opened={settingsOpened} onClose={() => setSettingsOpened(false)} />
        </Suspense>
      )}
    </>
  );
}
