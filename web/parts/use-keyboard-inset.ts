/** How much of the page an on-screen keyboard covers, for browsers that do not shrink the page themselves. */

import { useEffect, useState } from "react";

/** CSS pixels; 0 where the browser makes the page smaller, and while nobody asks. */
export function useKeyboardInset(wanted: boolean): number {
  const [inset, setInset] = useState(0);
  useEffect(() => {
    const viewport = window.visualViewport;
    if (!wanted || viewport === null) return;
    const measure = () => {
      // A page zoomed by fingers also has a small viewport, and no keyboard.
      if (viewport.scale > 1.05) return;
      const covered = Math.round(window.innerHeight - viewport.height - viewport.offsetTop);
      setInset(covered > 60 ? covered : 0);
      if (covered > 60) window.scrollTo(0, 0);
    };
    measure();
    viewport.addEventListener("resize", measure);
    viewport.addEventListener("scroll", measure);
    return () => {
      viewport.removeEventListener("resize", measure);
      viewport.removeEventListener("scroll", measure);
    };
  }, [wanted]);
  return inset;
}
