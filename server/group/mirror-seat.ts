/** One watcher here of a session elsewhere: his bounded queue, and the key frame he may be waiting for. */
import { randomBytes } from "node:crypto";
import { BartizanFault } from "../errors.ts";
import type { Attached, AttachmentId, KeyFrame, Principal, SessionEvent, TermSize, View, ViewItem } from "../events.ts";
import type { Clock } from "../flow/clock.ts";
import { Viewer } from "../session/viewer.ts";

type Ended = SessionEvent & { readonly kind: "ended" };

export interface MirrorSeatNeeds {
  readonly clock: Clock;
  readonly who: Principal;
  /** True: operators are not told of him. */
  readonly hidden: boolean;
  readonly size: () => TermSize;
  /** The screen of now, when it is at hand: a key frame, and what came after it. */
  readonly screen: () => { readonly frame: KeyFrame; readonly after: readonly SessionEvent[] } | undefined;
  /** There is no screen at hand. */
  readonly wantScreen: () => void;
  /** One that lags and does not read for so long is cut. */
  readonly slowMs: number;
  readonly slowCut: () => void;
}

export class MirrorSeat {
  readonly #needs: MirrorSeatNeeds;
  readonly #viewer: Viewer;
  readonly attached: Attached;
  #waiting: PromiseWithResolvers<KeyFrame> | undefined;
  #begun = false;
  /** Since when the reader has not come back; undefined: he waits for the next item. */
  #awaySinceMs: number | undefined;

  constructor(needs: MirrorSeatNeeds) {
    this.#needs = needs;
    const { clock, who, hidden, size } = needs;
    const id = randomBytes(9).toString("base64url") as AttachmentId;
    this.attached = { id, who, role: "watcher", sinceMs: clock.wallMs(), ...(hidden ? { hidden } : {}) };
    this.#viewer = new Viewer({
      ...{ clock, mergeMs: 0 },
      boundBytes: () => Math.max(64 * 1024, 8 * size().cols * size().rows),
      keyFrame: () => this.#keyFrame(),
    });
    // Whatever the first key frame holds, he did not miss it.
    this.#viewer.sentOffset = Number.POSITIVE_INFINITY;
    this.#awaySinceMs = clock.monotonicMs();
  }

  /** Nothing he is sent means anything before a key frame comes. */
  get waits(): boolean {
    return this.#waiting !== undefined;
  }

  /** His view goes on exactly after this offset. */
  resume(offset: number, missed: readonly SessionEvent[]): void {
    this.#begun = true;
    this.#viewer.sentOffset = offset;
    for (const event of missed) this.push(event);
  }

  /** His view begins with a key frame. */
  begin(): void {
    this.#begun = true;
    this.#viewer.begin();
  }

  /** Nothing before his view begins. */
  push(item: Exclude<ViewItem, KeyFrame>): void {
    if (!this.#begun) return;
    if (this.waits && (item.kind === "output" || item.kind === "resize")) return;
    if (item.kind === "joined" && item.who.id === this.attached.id) return;
    this.#viewer.push(item);
    if (this.#viewer.lagging) this.#cutWhenSlow();
  }

  /** What he was sent so far does not lead to where the session is now. */
  moved(frame: KeyFrame): void {
    if (this.waits) this.give(frame);
    else if (this.#begun) {
      this.#viewer.skip();
      this.#cutWhenSlow();
    }
  }

  /** The key frame he waits for; nothing when he waits for none. */
  give(frame: KeyFrame): void {
    this.#waiting?.resolve(frame);
    this.#waiting = undefined;
  }

  /** His last word; resolves with whether he took it. `ahead`: before everything that waits. */
  end(event: Ended, ahead: boolean): Promise<boolean> {
    if (ahead) this.#viewer.cut(event);
    else this.#viewer.push(event);
    this.#waiting?.reject(new BartizanFault("not-found", "The session has ended."));
    this.#waiting = undefined;
    return this.#viewer.told();
  }

  close(reason: unknown): void {
    this.#viewer.close(reason);
    this.#waiting = undefined;
  }

  /** `leave` is called once it is not read any more. */
  async *view(leave: () => void): View {
    try {
      for (;;) {
        this.#awaySinceMs = undefined;
        const item = await this.#viewer.take();
        if (item === undefined) return;
        this.#awaySinceMs = this.#needs.clock.monotonicMs();
        yield item;
      }
    } finally {
      leave();
    }
  }

  #keyFrame(): Promise<KeyFrame> {
    const screen = this.#needs.screen();
    if (screen !== undefined) {
      for (const event of screen.after) this.#viewer.push(event);
      return Promise.resolve(screen.frame);
    }
    this.#waiting ??= Promise.withResolvers<KeyFrame>();
    this.#needs.wantScreen();
    return this.#waiting.promise;
  }

  #cutWhenSlow(): void {
    const { clock, slowMs, slowCut } = this.#needs;
    if (this.#awaySinceMs === undefined || clock.monotonicMs() - this.#awaySinceMs < slowMs) return;
    this.close(new BartizanFault("limit", "This stream was not read for ten seconds.", "Watch again."));
    slowCut();
  }
}
