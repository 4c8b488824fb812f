/** The strip of tabs above the terminals: choose, close, and open another. */

import { ActionIcon, Menu, Tooltip, VisuallyHidden } from "@mantine/core";
import { type KeyboardEvent, useSyncExternalStore } from "react";
import type { ShellTab } from "../shell-tab.ts";
import { plainLine } from "../terminal-text.ts";
import { Icon } from "./icons.tsx";
import { useWords } from "./language.tsx";

export interface TabBarProps {
  readonly tabs: readonly ShellTab[];
  readonly front: ShellTab | undefined;
  onSelect(key: string): void;
  onStep(by: 1 | -1): void;
  onClose(tab: ShellTab): void;
  /** Another shell on this target; without a target: the list of them. */
  onNew(target: string | undefined): void;
}

export function ShellTabBar({ tabs, front, onSelect, onStep, onClose, onNew }: TabBarProps) {
  const words = useWords().shell;
  const target = front?.state.target;
  function onKeyDown(event: KeyboardEvent) {
    if (event.key === "Delete" && front !== undefined) return onClose(front);
    if (event.key !== "ArrowLeft" && event.key !== "ArrowRight") return;
    event.preventDefault();
    onStep(event.key === "ArrowRight" ? 1 : -1);
  }
  return (
    <div className="shell-strip">
      <div className="shell-tablist" role="tablist" aria-label={words.tabs} onKeyDown={onKeyDown}>
        {tabs.map((tab) => (
          <Tab key={tab.key} tab={tab} front={tab === front} onSelect={onSelect} onClose={onClose} />
        ))}
      </div>
      <Menu position="bottom-start" withinPortal>
        <Menu.Target>
          <ActionIcon variant="subtle" color="gray" size={32} aria-label={words.newShell}>
            <span style={{ display: "flex", transform: "rotate(45deg)" }}>
              <Icon name="kick" />
            </span>
          </ActionIcon>
        </Menu.Target>
        <Menu.Dropdown>
          {target !== undefined && (
            <Menu.Item onClick={() => onNew(target)}>{words.another(plainLine(target, 60))}</Menu.Item>
          )}
          <Menu.Item onClick={() => onNew(undefined)}>{words.choose}</Menu.Item>
          {front !== undefined && (
            <Menu.Item onClick={() => onClose(front)}>{words.closeTab(plainLine(front.state.target, 60))}</Menu.Item>
          )}
        </Menu.Dropdown>
      </Menu>
    </div>
  );
}

interface TabProps extends Pick<TabBarProps, "onSelect" | "onClose"> {
  readonly tab: ShellTab;
  readonly front: boolean;
}

function Tab({ tab, front, onSelect, onClose }: TabProps) {
  const words = useWords().shell;
  const { phase, target, title, unseen, prompt, questions, clipboard } = useSyncExternalStore(
    tab.subscribe,
    () => tab.state,
  );
  const name = plainLine(target, 60);
  const kind = phase.kind === "waiting" ? "connecting" : phase.kind;
  const hidden = [
    kind === "open" ? "" : words.states[kind],
    unseen === "output" ? words.unseenOutput : unseen === "bell" ? words.unseenBell : "",
    prompt === undefined && questions.length === 0 && clipboard === undefined ? "" : words.asks,
  ].filter((each) => each !== "");
  return (
    <div className="shell-tab" data-front={front} role="presentation">
      <Tooltip label={title === "" ? name : `${name}: ${title}`} openDelay={600}>
        <button
          type="button"
          role="tab"
          id={`${tab.key}-tab`}
          aria-selected={front}
          aria-controls={`${tab.key}-panel`}
          tabIndex={front ? 0 : -1}
          className="shell-tab-name"
          onClick={() => onSelect(tab.key)}
          onAuxClick={(event) => event.button === 1 && onClose(tab)}
        >
          <span
            className="shell-dot"
            data-kind={kind}
            data-unseen={!front && (unseen !== "nothing" || hidden.includes(words.asks))}
          />
          <b>{name}</b>
          {title !== "" && <span className="shell-tab-title">{title}</span>}
          {hidden.length > 0 && <VisuallyHidden>{hidden.join(", ")}</VisuallyHidden>}
        </button>
      </Tooltip>
      <ActionIcon
        variant="subtle"
        color="gray"
        size={24}
        mr={4}
        // A tab list holds tabs only: the keyboard closes by Delete, a screen reader by the menu beside the tabs.
        tabIndex={-1}
        aria-hidden="true"
        title={words.closeTab(name)}
        data-testid="close-tab"
        onClick={() => onClose(tab)}
      >
        <Icon name="kick" size={14} />
      </ActionIcon>
    </div>
  );
}
