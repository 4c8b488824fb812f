/** What readers throw when a recording is not what its format says. */
import { BartizanFault } from "../errors.ts";

/** `position` counts bytes of the restored file before the place at fault. */
export class DamagedRecording extends BartizanFault {
  readonly position: number;
  readonly what: string;
  constructor(position: number, what: string, cause?: unknown) {
    super("internal", `The recording is damaged: ${what}.`, "`bartizan verify` tells more.", cause);
    this.position = position;
    this.what = what;
  }
}
