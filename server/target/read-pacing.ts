/** Reads a flood in strides: woken for each small packet, the process would spend its time on waking. */
import type { Socket } from "node:net";
import type { Clock } from "../flow/clock.ts";

const strideBytes = 64 * 1024;
/** A stride within this time is a flood: above 8 MB/s. */
const floodMs = 8;
/** A read as large as this found enough waiting. */
const largeReadBytes = 32 * 1024;
const restMs = 1;

/**
 * While more than 8 MB/s comes in small reads, lets it gather for a millisecond between them; nobody's echo is in such a
 * stream. Below that nothing is delayed. Lasts as long as the socket.
 */
export function paceReads(socket: Socket, clock: Clock): void {
  let bytes = 0;
  let sinceMs = clock.monotonicMs();
  socket.on("data", (chunk) => {
    bytes += chunk.length;
    if (bytes < strideBytes) return;
    const nowMs = clock.monotonicMs();
    const flood = nowMs - sinceMs < floodMs;
    bytes = 0;
    sinceMs = nowMs;
    if (!flood || chunk.length >= largeReadBytes) return;
    socket.pause();
    clock.after(restMs, () => socket.resume());
  });
}
