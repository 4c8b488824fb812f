/** What a shell's tab shows, and how the events of its viewing change it. Pure. */

import { type AttachmentEvent, type CallFault, type EndCause, type Stopped, stopped } from "../proto/client/index.ts";
import type { Prompt, SessionInfo } from "../proto/gen/bartizan/v1/session_pb.ts";
import { type Paste, plainLine } from "./terminal-text.ts";

export type TabPhase =
  /** Not asked for yet: its terminal has not been shown. */
  | { readonly kind: "waiting" }
  | { readonly kind: "connecting" }
  | { readonly kind: "open" }
  /** `retryAtMs` by performance.now(). */
  | { readonly kind: "reconnecting"; readonly attempt: number; readonly retryAtMs: number; readonly fault: CallFault }
  /** No shell could be had, or the time to come back is over. */
  | { readonly kind: "failed"; readonly fault: CallFault }
  | { readonly kind: "ended"; readonly cause: EndCause };

/** What the tab asks because of something the person did, one at a time and in order; each takes its answer once. */
export type TabQuestion =
  | { readonly kind: "paste"; readonly paste: Paste; readonly runsAtOnce: boolean; answer(yes: boolean): void }
  | { readonly kind: "link"; readonly url: string; answer(): void };

/** The target wants something on the clipboard. It asks beside the terminal: nobody waits for it, and no key answers it. */
export interface ClipboardWish {
  /** Another for each text: what is allowed is what was to be read. */
  readonly id: number;
  readonly text: string;
  answer(allow: boolean): void;
}

export interface TabState {
  readonly phase: TabPhase;
  readonly target: string;
  /** What the terminal calls itself: the target's own words, one plain line. */
  readonly title: string;
  readonly session: SessionInfo | undefined;
  /** How long the shell outlives a closed tab. */
  readonly graceMs: number;
  /** The page's own stream, by which it knows itself among those attached. */
  readonly ownAttachment: string;
  /** Others who see this shell now. */
  readonly others: readonly { readonly id: string; readonly name: string }[];
  /** Who stopped the input, and why. */
  readonly frozen: Stopped | undefined;
  readonly prompt: { readonly prompt: Prompt; readonly untilMs: number } | undefined;
  /** The first of them is asked now. */
  readonly questions: readonly TabQuestion[];
  readonly clipboard: ClipboardWish | undefined;
  /** Words of the target or the server to read, oldest first; at most 5. */
  readonly notices: readonly {
    readonly id: number;
    readonly about: "banner" | "draining" | "info" | "recording" | "monitored" | "limit";
    readonly text: string;
  }[];
  readonly latency: { readonly bastionMs: number; readonly targetMs: number | undefined } | undefined;
  /** Typed bytes that the last loss of connection threw away. */
  readonly discardedBytes: number;
  /** Something happened while another tab was in front. */
  readonly unseen: "nothing" | "output" | "bell";
  readonly search: { readonly at: number; readonly count: number };
}

const mostNotices = 5;

export function firstState(target: string): TabState {
  return {
    ...{ phase: { kind: "waiting" }, target, title: "", session: undefined, graceMs: 0, ownAttachment: "", others: [] },
    ...{ prompt: undefined, questions: [], clipboard: undefined, notices: [], latency: undefined, discardedBytes: 0 },
    ...{ frozen: undefined, unseen: "nothing", search: { at: 0, count: 0 } },
  };
}

/** The same object when the event changes nothing that is shown. `nowMs` by performance.now(). */
export function afterEvent(state: TabState, event: AttachmentEvent, nowMs: number): TabState {
  switch (event.kind) {
    case "started":
    case "reconnected": {
      const { session, graceMs, attachmentId: ownAttachment } = event;
      const others = session.attachments
        .filter(({ id }) => id !== ownAttachment)
        .map(({ id, principal }) => ({ id, name: plainLine(principal?.name ?? "", 40) }));
      const discardedBytes = event.kind === "reconnected" ? event.discardedBytes : 0;
      const changes = { session, graceMs, ownAttachment, others, discardedBytes, frozen: stopped(session.frozen) };
      return { ...state, ...changes, phase: { kind: "open" }, prompt: undefined };
    }
    case "reconnecting": {
      const { attempt, waitMs, fault } = event;
      const phase = { kind: "reconnecting", attempt, retryAtMs: nowMs + waitMs, fault } as const;
      return { ...state, phase, latency: undefined, prompt: undefined };
    }
    case "joined":
    case "left": {
      if (event.attachmentId === state.ownAttachment) return state;
      const others = state.others.filter(({ id }) => id !== event.attachmentId);
      const came = event.kind === "joined" ? [{ id: event.attachmentId, name: plainLine(event.name, 40) }] : [];
      return { ...state, others: [...others, ...came] };
    }
    case "prompt":
      return { ...state, prompt: { prompt: event.prompt, untilMs: nowMs + event.prompt.timeoutMs } };
    case "notice": {
      const { about, text } = event;
      if (about === "connecting" || text.trim() === "") return state;
      const id = 1 + (state.notices.at(-1)?.id ?? 0);
      return { ...state, notices: [...state.notices, { id, about, text }].slice(-mostNotices) };
    }
    case "freeze":
      return { ...state, frozen: event.frozen };
    case "latency":
      return { ...state, latency: { bastionMs: event.bastionMs, targetMs: event.targetMs } };
    case "ended": {
      const phase = { kind: "ended", cause: event.cause } as const;
      return { ...state, phase, prompt: undefined, others: [], latency: undefined };
    }
    default:
      return state;
  }
}
