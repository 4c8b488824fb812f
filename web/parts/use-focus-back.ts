/** Gives the focus back in the very turn in which a dialog closes. What keeps it inside until then is Mantine's trap. */

import { useLayoutEffect, useRef } from "react";

/**
 * To whatever had the focus when the dialog opened, unless something else has taken it since. The dialog stays mounted
 * while it is closed, and has `returnFocus={false}`: Mantine's own way is a timer, which keys that are typed on overtake.
 */
export function useFocusBack(opened: boolean): void {
  const before = useRef<Element>(null);
  useLayoutEffect(() => {
    const now = document.activeElement;
    if (opened) {
      before.current = now;
      return;
    }
    const isFree = now === null || now === document.body || now.closest("[aria-modal]") !== null;
    if (isFree && before.current instanceof HTMLElement) before.current.focus({ preventScroll: true });
    before.current = null;
  }, [opened]);
}
