/** When the index of a recording gets its next key frame. */

/** After so much output, but not sooner than a second after the one before: in a flood key frames cost too much ... */
const frameBytes = 256 * 1024;
const frameGapMs = 1000;
/** ... or after so long with output. */
const frameAtMostMs = 10_000;

export class FramePace {
  #wanted = true;
  #atMs = 0;
  #offset = 0;

  /** A frame is due, however little came: the size is another. */
  want(): void {
    this.#wanted = true;
  }

  /** Whether one is due at this point; asked again only for the next one. */
  due(atMs: number, offset: number): boolean {
    const agoMs = atMs - this.#atMs;
    const bytes = offset - this.#offset;
    const due = this.#wanted || (bytes >= frameBytes && agoMs >= frameGapMs) || (bytes > 0 && agoMs >= frameAtMostMs);
    if (!due) return false;
    this.#wanted = false;
    this.#atMs = atMs;
    this.#offset = offset;
    return true;
  }
}
