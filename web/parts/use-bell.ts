/** A terminal's bell as a part of the page has it: a flash, and a sound where the person has switched that on. */

import { useCallback, useEffect, useState } from "react";
import { createBellSound } from "../bell-sound.ts";
import type { SettingsStore } from "../terminal-settings.ts";

const flashMs = 180;

/** `flash` is true for a moment after each `ring`. */
export function useBell(settings: SettingsStore): { readonly flash: boolean; ring(): void } {
  const [sound] = useState(createBellSound);
  const [flash, setFlash] = useState(false);
  useEffect(() => () => sound[Symbol.dispose](), [sound]);
  useEffect(() => {
    if (!flash) return;
    const timer = setTimeout(() => setFlash(false), flashMs);
    return () => clearTimeout(timer);
  }, [flash]);
  const ring = useCallback(() => {
    setFlash(true);
    if (settings.get().bellSound) sound.ring();
  }, [settings, sound]);
  return { flash, ring };
}
