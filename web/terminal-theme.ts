/** Colours and fonts of the terminal, light and dark; every colour readable on its ground. */

import type { ITheme } from "@xterm/xterm";

export type ColourScheme = "light" | "dark";

/** Fonts of the system, so that none is loaded; the last one has the width of a cell everywhere. */
export const terminalFont =
  '"JetBrains Mono", "Cascadia Mono", "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", "Noto Sans Mono", "Liberation Mono", "Noto Sans Mono CJK SC", monospace';

const dark: ITheme = {
  background: "#11151c",
  foreground: "#d6dbe4",
  cursor: "#7cc4ff",
  cursorAccent: "#11151c",
  selectionBackground: "#35537a",
  selectionInactiveBackground: "#2b3a50",
  black: "#2a303b",
  red: "#f2777a",
  green: "#8fc98a",
  yellow: "#e6c07b",
  blue: "#6cb2f4",
  magenta: "#c694e8",
  cyan: "#63c5cf",
  white: "#c3c9d4",
  brightBlack: "#7b8494",
  brightRed: "#ff9a9c",
  brightGreen: "#aee3a9",
  brightYellow: "#f5d99b",
  brightBlue: "#94cbff",
  brightMagenta: "#dbb4f5",
  brightCyan: "#8ee0e8",
  brightWhite: "#f4f6fa",
};

const light: ITheme = {
  background: "#fbfbfd",
  foreground: "#20262e",
  cursor: "#1567b8",
  cursorAccent: "#fbfbfd",
  selectionBackground: "#b9d6f5",
  selectionInactiveBackground: "#d9e2ec",
  black: "#20262e",
  red: "#b3261e",
  green: "#216e2f",
  yellow: "#805500",
  blue: "#1257a8",
  magenta: "#7d2d9c",
  cyan: "#0b6674",
  white: "#6b7480",
  brightBlack: "#59626e",
  brightRed: "#c5221f",
  brightGreen: "#1a7a30",
  brightYellow: "#8a5c00",
  brightBlue: "#1967d2",
  brightMagenta: "#8e32ad",
  brightCyan: "#0a7280",
  brightWhite: "#414954",
};

export function terminalTheme(scheme: ColourScheme): ITheme {
  return scheme === "dark" ? dark : light;
}
