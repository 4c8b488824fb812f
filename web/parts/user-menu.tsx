/** The caller's menu: theme, language, terminal settings, and the way out. */

import { Avatar, type MantineColorScheme, Menu, Text, UnstyledButton, useMantineColorScheme } from "@mantine/core";
import { lazy, Suspense, useState, useSyncExternalStore } from "react";
import { Link } from "wouter";
import { en } from "../messages/en.ts";
import { zh } from "../messages/zh.ts";
import { Icon } from "./icons.tsx";
import { type LanguageCode, languageCodes, useLanguage } from "./language.tsx";
import { usePage } from "./page-context.tsx";

const TerminalSettingsDialog = lazy(async () => ({
  default: (await import("./terminal-settings-dialog.tsx")).TerminalSettingsDialog,
}));

const schemes = ["light", "dark", "auto"] as const;
const ownNames = { en: en.language, zh: zh.language };

export function UserMenu() {
  const { code, words, choose } = useLanguage();
  const { who, api, settings } = usePage();
  const { screenReader } = useSyncExternalStore(settings.subscribe, settings.get);
  const [settingsOpened, setSettingsOpened] = useState<boolean>();
  const { colorScheme, setColorScheme } = useMantineColorScheme();
  return (
    <>
      <Menu position="bottom-end" width={260} withInitialFocusPlaceholder={false}>
        <Menu.Target>
          <UnstyledButton aria-label={words.user.menu(who.name)}>
            <Avatar size={32} radius="xl" color="cyan">
              <Icon name="user" />
            </Avatar>
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
          <Menu.RadioGroup value={colorScheme} onChange={(value) => setColorScheme(value as MantineColorScheme)}>
            <Menu.Label>{words.user.theme}</Menu.Label>
            {schemes.map((scheme) => (
              <Menu.RadioItem key={scheme} value={scheme}>
                {words.user[scheme]}
              </Menu.RadioItem>
            ))}
          </Menu.RadioGroup>
          <Menu.Divider />
          <Menu.RadioGroup value={code} onChange={(value) => choose(value as LanguageCode)}>
            <Menu.Label>{words.user.language}</Menu.Label>
            {languageCodes.map((each) => (
              <Menu.RadioItem key={each} value={each} lang={each}>
                {ownNames[each]}
              </Menu.RadioItem>
            ))}
          </Menu.RadioGroup>
          <Menu.Divider />
          <Menu.CheckboxItem
            value="screen-reader"
            checked={screenReader}
            onChange={() => settings.change({ screenReader: !screenReader })}
          >
            {words.user.screenReader}
          </Menu.CheckboxItem>
          <Menu.Item leftSection={<Icon name="settings" />} onClick={() => setSettingsOpened(true)}>
            {words.user.terminal}
          </Menu.Item>
          <Menu.Item leftSection={<Icon name="hands-off" />} component={Link} href="/locks">
            {words.locks.menu}
          </Menu.Item>
          <Menu.Item leftSection={<Icon name="seal" />} component={Link} href="/tokens">
            {words.identity.tokens.menu}
          </Menu.Item>
          <Menu.Item leftSection={<Icon name="kick" />} onClick={() => void api.access.leave()}>
            {who.way === "provider" ? words.identity.signIn.signOut : words.user.leave}
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
