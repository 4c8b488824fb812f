/** Keys that an on-screen keyboard lacks: escape, tab, arrows, and Ctrl and Alt that stick until the next key. */

import type { PointerEvent } from "react";
import type { BarKey, Modifiers } from "../terminal-keys.ts";
import { useWords } from "./language.tsx";

export interface KeyBarProps {
  readonly held: Modifiers;
  onHold(modifiers: Modifiers): void;
  onPress(key: BarKey): void;
  onPaste(): void;
}

const first = ["escape", "tab"] as const;
const rest = ["left", "down", "up", "right", "home", "end", "page-up", "page-down"] as const;
const faces: Partial<Record<BarKey, string>> = { left: "←", right: "→", up: "↑", down: "↓" };

export function ShellKeyBar({ held, onHold, onPress, onPaste }: KeyBarProps) {
  const words = useWords().shell.keys;
  // A press must not take the focus out of the terminal: the on-screen keyboard would go away.
  const keepFocus = (event: PointerEvent) => event.preventDefault();
  const key = (name: BarKey) => (
    <button key={name} type="button" aria-label={words[name]} onPointerDown={keepFocus} onClick={() => onPress(name)}>
      {faces[name] ?? words[name]}
    </button>
  );
  const modifier = (name: "ctrl" | "alt") => (
    <button
      type="button"
      aria-pressed={held[name]}
      onPointerDown={keepFocus}
      onClick={() => onHold({ ...held, [name]: !held[name] })}
    >
      {words[name]}
    </button>
  );
  return (
    <div className="shell-keys" role="toolbar" aria-label={words.bar} data-testid="key-bar">
      {first.map(key)}
      {modifier("ctrl")}
      {modifier("alt")}
      {rest.map(key)}
      <button type="button" onPointerDown={keepFocus} onClick={onPaste}>
        {words.paste}
      </button>
    </div>
  );
}
