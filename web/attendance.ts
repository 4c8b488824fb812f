/** Whether somebody is there: calls that the page makes though nobody has touched it for a while say so, and are no use of a sign-in. */
import type { Interceptor } from "@connectrpc/connect";

/** Also in server/rpc/guard.ts. */
const byItselfHeader = "bartizan-by-itself";
/** Longer than from a touch to the call that it is for, shorter than between two calls of a list that renews itself. */
const thereMs = 5000;
const touches = ["pointerdown", "keydown", "wheel", "touchstart", "click"] as const;

export interface Attendance {
  /** Marks calls; streams are left alone: whoever has one open has it in use. */
  readonly mark: Interceptor;
}

/** Listens on `page` for as long as that lasts. Whoever opened the page is there. */
export function createAttendance(
  page: Pick<EventTarget, "addEventListener">,
  nowMs = () => performance.now(),
): Attendance {
  let touchedAtMs = nowMs();
  const touched = () => {
    touchedAtMs = nowMs();
  };
  for (const touch of touches) page.addEventListener(touch, touched, { capture: true, passive: true });
  return {
    mark: (next) => (request) => {
      if (!request.stream && nowMs() - touchedAtMs > thereMs) request.header.set(byItselfHeader, "1");
      return next(request);
    },
  };
}
