/** What a person sets about terminals, kept in the browser for this origin; shared by all terminals of the page. */

export interface TerminalSettings {
  readonly fontSizePx: number;
  /** Lines kept above the screen. */
  readonly scrollbackLines: number;
  readonly screenReader: boolean;
  readonly selectToCopy: boolean;
  /** Ask before several lines are pasted into a program that would run them at once. */
  readonly askBeforePaste: boolean;
  readonly blinkingCursor: boolean;
  /** The bell of a terminal sounds; it flashes in any case. */
  readonly bellSound: boolean;
  /** "page": as the page; else always this. */
  readonly colours: "page" | "light" | "dark";
}

export const defaultSettings: TerminalSettings = {
  fontSizePx: 14,
  scrollbackLines: 5000,
  screenReader: false,
  selectToCopy: false,
  askBeforePaste: true,
  blinkingCursor: false,
  bellSound: false,
  colours: "page",
};

export const fontSizes = { least: 8, most: 32 };
export const scrollbackSizes = { least: 0, most: 50_000 };

export interface SettingsStore {
  /** The same object until something changes. */
  get(): TerminalSettings;
  change(to: Partial<TerminalSettings>): void;
  /** Called after each change, by whatever store and window of the same browser; gives back the way out. */
  subscribe(onChange: () => void): () => void;
}

const key = "bartizan.terminal";
/** Tells the other stores of the same window; the browser's own "storage" event goes to other windows only. */
const changed = "bartizan-terminal-settings";

/** Reads what is kept; a browser that keeps nothing (or something broken) gets the defaults, and no error. */
export function createSettings(storage: Storage, events: EventTarget): SettingsStore {
  let current = read(storage);
  const listeners = new Set<() => void>();
  const announce = () => {
    for (const listener of [...listeners]) listener();
  };
  const readAgain = () => {
    const next = read(storage);
    if (JSON.stringify(next) === JSON.stringify(current)) return;
    current = next;
    announce();
  };
  const onStorage = (event: Event) => {
    if ((event as StorageEvent).key === key) readAgain();
  };
  return {
    get: () => current,
    change(to) {
      current = bounded({ ...current, ...to });
      announce();
      try {
        storage.setItem(key, JSON.stringify(current));
        events.dispatchEvent(new Event(changed));
      } catch {
        // Full or forbidden: the setting then holds for this page only.
      }
    },
    subscribe(onChange) {
      if (listeners.size === 0) {
        readAgain();
        events.addEventListener("storage", onStorage);
        events.addEventListener(changed, readAgain);
      }
      listeners.add(onChange);
      return () => {
        listeners.delete(onChange);
        if (listeners.size > 0) return;
        events.removeEventListener("storage", onStorage);
        events.removeEventListener(changed, readAgain);
      };
    },
  };
}

function read(storage: Storage): TerminalSettings {
  try {
    const kept: unknown = JSON.parse(storage.getItem(key) ?? "{}");
    return bounded({ ...defaultSettings, ...(typeof kept === "object" ? kept : {}) });
  } catch {
    return defaultSettings;
  }
}

function bounded(settings: TerminalSettings): TerminalSettings {
  const within = (value: unknown, { least, most }: { least: number; most: number }, otherwise: number) =>
    typeof value === "number" && Number.isFinite(value)
      ? Math.round(Math.min(most, Math.max(least, value)))
      : otherwise;
  const flag = (value: unknown, otherwise: boolean) => (typeof value === "boolean" ? value : otherwise);
  const { colours } = settings;
  return {
    fontSizePx: within(settings.fontSizePx, fontSizes, defaultSettings.fontSizePx),
    scrollbackLines: within(settings.scrollbackLines, scrollbackSizes, defaultSettings.scrollbackLines),
    screenReader: flag(settings.screenReader, defaultSettings.screenReader),
    selectToCopy: flag(settings.selectToCopy, defaultSettings.selectToCopy),
    askBeforePaste: flag(settings.askBeforePaste, defaultSettings.askBeforePaste),
    blinkingCursor: flag(settings.blinkingCursor, defaultSettings.blinkingCursor),
    bellSound: flag(settings.bellSound, defaultSettings.bellSound),
    colours: colours === "light" || colours === "dark" ? colours : "page",
  };
}
