/** The page's own icons: strokes of one weight, drawn in the text's colour, hidden from screen readers. */

const paths = {
  target: "M4 5h16v6H4zM4 13h16v6H4zM7 8h.01M7 16h.01",
  sessions: "M4 6h16M4 12h16M4 18h10",
  wall: "M4 4h7v7H4zM13 4h7v7h-7zM4 13h7v7H4zM13 13h7v7h-7z",
  shell: "M4 5h16v14H4zM7 9l3 3-3 3M12 15h4",
  journal: "M5 4h11l3 3v13H5zM8 10h8M8 14h8M8 17h5",
  search: "M10.5 4a6.5 6.5 0 1 1 0 13 6.5 6.5 0 0 1 0-13zM15.5 15.5L20 20",
  eye: "M2.5 12S6 5.5 12 5.5 21.5 12 21.5 12 18 18.5 12 18.5 2.5 12 2.5 12zM12 9.2a2.8 2.8 0 1 1 0 5.6 2.8 2.8 0 0 1 0-5.6z",
  kick: "M6 6l12 12M18 6L6 18",
  back: "M11 6l-6 6 6 6M5 12h14",
  reopen: "M4 12a8 8 0 1 0 2.6-5.9M4 4v5h5",
  play: "M8 5.5v13l10.5-6.5z",
  list: "M9 7h11M9 12h11M9 17h11M4.5 7h.01M4.5 12h.01M4.5 17h.01",
  up: "M12 19V5M6 11l6-6 6 6",
  down: "M12 5v14M6 13l6 6 6-6",
  user: "M12 4.5a3.8 3.8 0 1 1 0 7.6 3.8 3.8 0 0 1 0-7.6zM4.5 20c.8-3.6 3.8-5.5 7.5-5.5s6.7 1.9 7.5 5.5",
  sun: "M12 8a4 4 0 1 1 0 8 4 4 0 0 1 0-8zM12 2.5v2M12 19.5v2M2.5 12h2M19.5 12h2M5.3 5.3l1.4 1.4M17.3 17.3l1.4 1.4M5.3 18.7l1.4-1.4M17.3 6.7l1.4-1.4",
  moon: "M19.5 14.5A8 8 0 0 1 9.5 4.5a8 8 0 1 0 10 10z",
  screen: "M3.5 5h17v11h-17zM9 20h6M12 16v4",
  link: "M10 14a4 4 0 0 0 5.7 0l3-3A4 4 0 0 0 13 5.300l-1 1M14 10a4 4 0 0 0-5.7 0l-3 3A4 4 0 0 0 11 18.7l1-1",
  alert: "M12 4l9 16H3zM12 10v4.500M12 17.500h.01",
  "hands-off": "M3 7h18v10H3zM7 11h.01M11 11h.01M15 11h.01M8 14h8M5 21L19 3",
  bell: "M6 16v-5a6 6 0 0 1 12 0v5l1.500 2h-15zM10 20.500a2 2 0 0 0 4 0",
  "bell-off": "M6 16v-5a6 6 0 0 1 12 0v5l1.500 2h-15zM10 20.500a2 2 0 0 0 4 0M4 4l16 16",
  copy: "M8 8h11v12H8zM5 16V4h11",
  check: "M5 12.500l4.500 4.500L19 7.500",
  film: "M4 5h16v14H4zM8 5v14M16 5v14M4 9.500h4M4 14.500h4M16 9.500h4M16 14.500h4",
  prompt: "M5 7l5 5-5 5M12 18h7",
  pause: "M8 5.500v13M16 5.500v13",
  more: "M12 5v1M12 11.500v1M12 18v1",
  download: "M12 4v11M7 11l5 5 5-5M5 20h14",
  seal: "M12 3l7.500 3v5.500c0 4.500-3 7.800-7.500 9.500-4.500-1.700-7.500-5-7.500-9.500V6zM8.500 12l2.500 2.500 4.500-5",
  rewind: "M11 6l-7 6 7 6zM20 6l-7 6 7 6z",
  previous: "M7 5.500v13M18.500 5.500v13L9.500 12z",
  next: "M17 5.500v13M5.500 5.500v13L14.500 12z",
  keyboard: "M3 7h18v10H3zM7 10.500h.01M11 10.500h.01M15 10.500h.01M8 14h8",
  tower: "M6 4h3v2.500h1.700V4h2.600v2.500H15V4h3v6l-1.500 1.500v6L20 20H4l3.500-2.500v-6L6 10z",
  settings:
    "M4 7h9M17 7h3M4 17h3M11 17h9M15 4.500a2.500 2.500 0 1 1 0 5 2.500 2.500 0 0 1 0-5zM9 14.500a2.500 2.500 0 1 1 0 5 2.500 2.500 0 0 1 0-5z",
} as const;

export type IconName = keyof typeof paths;

export function Icon({ name, size = 18 }: { name: IconName; size?: number }) {
  return (
    <svg
      width={size}
      height={size}
      viewBox="0 0 24 24"
      fill="none"
      stroke="currentColor"
      strokeWidth={1.7}
      strokeLinecap="round"
      strokeLinejoin="round"
      aria-hidden="true"
      focusable="false"
    >
      <path d={paths[name]} />
    </svg>
  );
}
