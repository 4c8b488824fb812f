/** Fetches a recording as a file for the browser to keep, without holding it in the page's memory. */

import type { RecordingClient } from "../proto/client/index.ts";
import type { ExportFormat } from "../proto/gen/bartizan/v1/recording_pb.ts";

/** A Blob that is made lies with the browser, on its disk when it is large; only so much waits in the page. */
const blobBytes = 4 * 1024 * 1024;

/** `onProgress` is told the bytes so far. Throws the call's error, and the signal's reason. */
export async function downloadRecording(
  client: RecordingClient,
  request: { readonly id: string; readonly format: ExportFormat },
  onProgress: (bytes: number) => void,
  signal: AbortSignal,
): Promise<Blob> {
  const whole: Blob[] = [];
  let waiting: Uint8Array<ArrayBuffer>[] = [];
  let waitingBytes = 0;
  let bytes = 0;
  const put = () => {
    whole.push(new Blob(waiting));
    waiting = [];
    waitingBytes = 0;
  };
  const call = new AbortController();
  const stop = () => call.abort(signal.reason);
  signal.throwIfAborted();
  signal.addEventListener("abort", stop, { once: true });
  try {
    for await (const { data } of client.exportRecording(request, { signal: call.signal, timeoutMs: 0 })) {
      waiting.push(data as Uint8Array<ArrayBuffer>);
      waitingBytes += data.length;
      bytes += data.length;
      if (waitingBytes >= blobBytes) put();
      onProgress(bytes);
    }
  } finally {
    signal.removeEventListener("abort", stop);
    call.abort(); // leaving the loop does not end the call
  }
  signal.throwIfAborted();
  put();
  return new Blob(whole, { type: "application/x-asciicast" });
}
