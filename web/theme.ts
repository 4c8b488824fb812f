/** How the page looks: colours with enough contrast (WCAG 2.2 AA) in both schemes, system fonts, calm corners. */

import { type CSSVariablesResolver, createTheme, type MantineColorsTuple } from "@mantine/core";

/** Blue-grey, so that a dark page and a dark terminal belong together. */
const dark: MantineColorsTuple = [
  "#d5dbe1",
  "#b4bdc7",
  "#8f9aa6",
  "#5f6b78",
  "#3a444f",
  "#2b333c",
  "#1f262d",
  "#171c22",
  "#11151a",
  "#0c0f13",
];

export const theme = createTheme({
  primaryColor: "cyan",
  primaryShade: 9,
  colors: { dark },
  fontFamily:
    'system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "Noto Sans CJK SC", "DejaVu Sans", sans-serif',
  fontFamilyMonospace: 'ui-monospace, "Cascadia Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace',
  defaultRadius: "md",
  cursorType: "pointer",
  respectReducedMotion: true,
  components: { Modal: { styles: { title: { fontWeight: 600 } } } },
});

/** Mantine's own dimmed text, light badges, errors and buttons under the pointer are too pale for small text. */
export const cssVariables: CSSVariablesResolver = () => ({
  variables: { "--mantine-primary-color-filled-hover": "#095b6a", "--mantine-color-cyan-filled-hover": "#095b6a" },
  light: {
    "--mantine-color-dimmed": "#56616c",
    "--mantine-color-placeholder": "#66717c",
    "--mantine-color-teal-light-color": "#05543d",
    "--mantine-color-orange-light-color": "#8a3008",
    "--mantine-color-red-light-color": "#a31616",
    "--mantine-color-error": "#c92a2a",
  },
  dark: {
    "--mantine-color-dimmed": "#a3adb8",
    "--mantine-color-placeholder": "#96a1ac",
    "--mantine-color-error": "#ff8787",
  },
});
