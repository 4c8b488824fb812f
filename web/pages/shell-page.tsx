/** The operator's shells, each in a tab with a terminal as large as the window. */

import "../shell.css";
import { Button, Kbd, Modal, Stack, Table, useComputedColorScheme, VisuallyHidden } from "@mantine/core";
import { useMediaQuery } from "@mantine/hooks";
import { useCallback, useEffect, useRef, useState, useSyncExternalStore } from "react";
import { useLocation } from "wouter";
import { useWords } from "../parts/language.tsx";
import { type ShellWish, usePage } from "../parts/page-context.tsx";
import { ShellKeyBar } from "../parts/shell-key-bar.tsx";
import { ShellPane } from "../parts/shell-pane.tsx";
import { ShellPrompt } from "../parts/shell-prompt.tsx";
import { CloseQuestion, ShellQuestion } from "../parts/shell-questions.tsx";
import { ShellSearch } from "../parts/shell-search.tsx";
import { ShellStatus } from "../parts/shell-status.tsx";
import { ShellTabBar } from "../parts/shell-tab-bar.tsx";
import { StatePanel } from "../parts/state-panel.tsx";
import { TerminalSettingsDialog } from "../parts/terminal-settings-dialog.tsx";
import { useBell } from "../parts/use-bell.ts";
import { useKeyboardInset } from "../parts/use-keyboard-inset.ts";
import type { ShellTab } from "../shell-tab.ts";
import { createShellTabs, type ShellTabs, type TabsState } from "../shell-tabs.ts";
import type { Shortcut } from "../terminal-input.ts";
import { noModifiers } from "../terminal-keys.ts";
import { defaultSettings, type SettingsStore } from "../terminal-settings.ts";
import { type ColourScheme, terminalTheme } from "../terminal-theme.ts";

export interface ShellPageProps {
  /** False: another page is shown; the shells live on, hidden. */
  readonly visible: boolean;
  /** The last shell asked for; each new id opens one more tab. */
  readonly wish: ShellWish | undefined;
  /** How many tabs there are now. */
  onTabs(count: number): void;
}

type Dialog = "settings" | "shortcuts" | { readonly closing: ShellTab };

const noTabs: TabsState = { tabs: [], front: undefined };

export function ShellPage({ visible, wish, onTabs }: ShellPageProps) {
  const words = useWords();
  const [, navigate] = useLocation();
  const { settings, signedOut } = usePage();
  const scheme = useTerminalScheme(settings);
  const [dialog, setDialog] = useState<Dialog>();
  const [searching, setSearching] = useState(false);
  const [held, setHeld] = useState(noModifiers);
  const bell = useBell(settings);
  const [pasteDenied, setPasteDenied] = useState(false);
  const act = useRef<(shortcut: Shortcut) => void>(() => {});
  const below = useRef<HTMLDivElement>(null);
  const inset = useKeyboardInset(visible);
  const touch = useMediaQuery("(pointer: coarse)");

  const shells = useShells(settings, scheme, {
    onShortcut: (shortcut) => act.current(shortcut),
    onModifiersUsed: () => setHeld(noModifiers),
    onBell: bell.ring,
  });
  const { tabs, front } = useSyncExternalStore(shells?.subscribe ?? never, () => shells?.state ?? noTabs);
  const frontState = useSyncExternalStore(front?.subscribe ?? never, () => front?.state);
  const question = frontState?.questions[0];
  const asks = dialog !== undefined || pasteDenied || frontState?.prompt !== undefined || question !== undefined;

  useEffect(() => {
    if (wish !== undefined) shells?.grant(wish);
  }, [shells, wish]);
  useEffect(() => shells?.colour(scheme), [shells, scheme]);
  useEffect(() => {
    if (!signedOut) shells?.signedIn();
  }, [shells, signedOut]);
  useEffect(() => onTabs(tabs.length), [onTabs, tabs.length]);
  const opened = frontState?.phase.kind === "open";
  // The terminal takes the focus when its tab comes to the front, after each question, and when its shell opens.
  useEffect(() => {
    if (!visible || asks || !opened || front === undefined) return;
    front.view?.fit();
    front.view?.focus();
  }, [visible, asks, opened, front]);
  useLeaveWarning(shells);

  act.current = (shortcut) => {
    const { fontSizePx } = settings.get();
    switch (shortcut) {
      case "search":
        return setSearching(true);
      case "bigger":
        return settings.change({ fontSizePx: fontSizePx + 1 });
      case "smaller":
        return settings.change({ fontSizePx: fontSizePx - 1 });
      case "normal-size":
        return settings.change({ fontSizePx: defaultSettings.fontSizePx });
      case "next-tab":
        return shells?.step(1);
      case "previous-tab":
        return shells?.step(-1);
      case "leave":
        return below.current?.querySelector<HTMLElement>("button")?.focus();
    }
  };

  const close = (tab: ShellTab) => {
    if (tab.state.phase.kind === "open" || tab.state.phase.kind === "reconnecting") setDialog({ closing: tab });
    else shells?.close(tab.key, "end");
  };
  const endSearch = useCallback(() => {
    setSearching(false);
    front?.view?.endSearch();
    front?.view?.focus();
  }, [front]);
  const paste = () => {
    setHeld(noModifiers);
    navigator.clipboard.readText().then(
      (text) => front?.view?.input?.paste(text),
      () => setPasteDenied(true),
    );
  };

  if (shells === undefined) return null;
  const ground = terminalTheme(scheme).background;
  return (
    <section
      className="shell-page"
      data-bell={bell.flash}
      style={{ "--shell-ground": ground, paddingBottom: inset } as React.CSSProperties}
      aria-label={words.shell.title}
    >
      <VisuallyHidden component="h1">{words.shell.title}</VisuallyHidden>
      {tabs.length === 0 ? (
        <StatePanel icon="shell" title={words.shell.empty.title} text={words.shell.empty.text}>
          <Button onClick={() => navigate("/")}>{words.shell.empty.action}</Button>
        </StatePanel>
      ) : (
        <>
          <ShellTabBar
            tabs={tabs}
            front={front}
            onSelect={shells.select}
            onStep={shells.step}
            onClose={close}
            onNew={(target) => (target === undefined ? navigate("/") : shells.open({ target }))}
          />
          <div className="shell-stack">
            {tabs.map((tab) => (
              <ShellPane
                key={tab.key}
                tab={tab}
                front={tab === front}
                onAgain={() => {
                  shells.close(tab.key, "keep");
                  shells.open({ target: tab.state.target });
                }}
                onTargets={() => navigate("/")}
                onSessions={() => navigate("/sessions")}
                onClose={() => shells.close(tab.key, "keep")}
              />
            ))}
            {searching && front !== undefined && <ShellSearch key={front.key} tab={front} onClose={endSearch} />}
          </div>
          {touch && front?.view !== undefined && (
            <ShellKeyBar
              held={held}
              onHold={(modifiers) => {
                setHeld(modifiers);
                front.view?.input?.hold(modifiers);
              }}
              onPress={(key) => front.view?.input?.press(key)}
              onPaste={paste}
            />
          )}
          {front !== undefined && (
            <div ref={below}>
              <ShellStatus
                tab={front}
                onSearch={() => setSearching(true)}
                onSettings={() => setDialog("settings")}
                onShortcuts={() => setDialog("shortcuts")}
              />
            </div>
          )}
        </>
      )}
      {visible && front !== undefined && frontState?.prompt !== undefined && (
        <ShellPrompt key={frontState.prompt.prompt.id} tab={front} open={frontState.prompt} />
      )}
      {visible && question !== undefined && <ShellQuestion question={question} />}
      {visible && typeof dialog === "object" && (
        <CloseQuestion
          tab={dialog.closing}
          onCancel={() => setDialog(undefined)}
          onClose={(shell) => {
            shells.close(dialog.closing.key, shell);
            setDialog(undefined);
          }}
        />
      )}
      <TerminalSettingsDialog
        opened={visible && dialog === "settings"}
        onClose={() => setDialog(undefined)}
        store={settings}
      />
      <Shortcuts opened={visible && dialog === "shortcuts"} onClose={() => setDialog(undefined)} />
      <Modal
        opened={pasteDenied}
        onClose={() => setPasteDenied(false)}
        title={words.shell.keys.paste}
        centered
        closeButtonProps={{ "aria-label": words.shell.shortcuts.close }}
      >
        {words.shell.paste.denied}
      </Modal>
    </section>
  );
}

const never = () => () => {};

/** The page's shells as long as it is mounted. */
function useShells(
  settings: SettingsStore,
  scheme: ColourScheme,
  on: { onShortcut(shortcut: Shortcut): void; onModifiersUsed(): void; onBell(): void },
): ShellTabs | undefined {
  const { api, who } = usePage();
  const words = useWords();
  const [shells, setShells] = useState<ShellTabs>();
  const latest = useRef({ on, scheme, words });
  latest.current = { on, scheme, words };
  useEffect(() => {
    const made = createShellTabs({
      client: api.clients.sessions,
      settings,
      scheme: latest.current.scheme,
      storage: sessionStorage,
      who: who.name,
      cameByLink: api.access.cameByLink,
      label: (target) => latest.current.words.shell.terminalOf(target),
      onShortcut: (shortcut) => latest.current.on.onShortcut(shortcut),
      onModifiersUsed: () => latest.current.on.onModifiersUsed(),
      onBell: () => latest.current.on.onBell(),
    });
    setShells(made);
    return () => made[Symbol.dispose]();
  }, [api, who.name, settings]);
  return shells;
}

function useTerminalScheme(settings: SettingsStore): ColourScheme {
  const page = useComputedColorScheme("light", { getInitialValueInEffect: false });
  const { colours } = useSyncExternalStore(settings.subscribe, settings.get);
  return colours === "page" ? page : colours;
}

/** The browser asks before it closes a page with shells in it. */
function useLeaveWarning(shells: ShellTabs | undefined): void {
  useEffect(() => {
    const warn = (event: BeforeUnloadEvent) => {
      if (shells?.running()) event.preventDefault();
    };
    window.addEventListener("beforeunload", warn);
    return () => window.removeEventListener("beforeunload", warn);
  }, [shells]);
}

function Shortcuts({ opened, onClose }: { opened: boolean; onClose(): void }) {
  const words = useWords().shell.shortcuts;
  const rows = [
    [["Ctrl+Shift+C", "Ctrl+Shift+V"], words.copyPaste],
    [["Ctrl+Shift+F"], words.search],
    [["Ctrl++", "Ctrl+-", "Ctrl+0"], words.font],
    [["Ctrl+Alt+PageDown", "Ctrl+Alt+PageUp"], words.tabs],
    [["Ctrl+Shift+Esc", "Ctrl+F6"], words.leave],
  ] as const;
  return (
    <Modal
      opened={opened}
      onClose={onClose}
      title={words.title}
      centered
      size="lg"
      closeButtonProps={{ "aria-label": words.close }}
    >
      <Stack>
        <Table>
          <Table.Tbody>
            {rows.map(([keys, what]) => (
              <Table.Tr key={what}>
                <Table.Td>
                  {keys.map((key) => (
                    <Kbd key={key} mr={6}>
                      {key}
                    </Kbd>
                  ))}
                </Table.Td>
                <Table.Td>{what}</Table.Td>
              </Table.Tr>
            ))}
          </Table.Tbody>
        </Table>
        <Button onClick={onClose} data-autofocus>
          {words.close}
        </Button>
      </Stack>
    </Modal>
  );
}
