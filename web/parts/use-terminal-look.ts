/** How terminals look in this browser at this moment: the settings, and the scheme that they ask for. */

import { useComputedColorScheme } from "@mantine/core";
import { useSyncExternalStore } from "react";
import type { TerminalSettings } from "../terminal-settings.ts";
import type { ColourScheme } from "../terminal-theme.ts";
import { usePage } from "./page-context.tsx";

export function useTerminalLook(): { readonly terminal: TerminalSettings; readonly scheme: ColourScheme } {
  const { settings } = usePage();
  const page = useComputedColorScheme("dark");
  const terminal = useSyncExternalStore(settings.subscribe, settings.get);
  return { terminal, scheme: terminal.colours === "page" ? page : terminal.colours };
}
