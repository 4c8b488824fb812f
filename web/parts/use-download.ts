/** One download of a recording at a time, for as long as a part of the page is shown. */

import { useEffect, useRef, useState } from "react";
import { ExportFormat, type Recording } from "../../proto/gen/bartizan/v1/recording_pb.ts";
import { downloadRecording } from "../download-recording.ts";
import { fileNameOf } from "../recording-facts.ts";
import { usePage } from "./page-context.tsx";

export interface DownloadState {
  readonly name: string;
  readonly bytes: number;
  /** It failed; it is over then. */
  readonly error?: unknown;
}

export interface Download {
  /** Undefined when there is none, or the last one went well. */
  readonly state: DownloadState | undefined;
  /** Ends the one that is under way. */
  start(recording: Recording, format: ExportFormat): void;
  /** Ends it, or forgets its failure. */
  stop(): void;
}

/** The browser takes its copy of the file when it begins to save it. */
const keepAddressMs = 60_000;

export function useDownload(): Download {
  const { api } = usePage();
  const [state, setState] = useState<DownloadState>();
  const running = useRef<AbortController>(undefined);
  useEffect(() => () => running.current?.abort(), []);

  const stop = () => {
    running.current?.abort();
    running.current = undefined;
    setState(undefined);
  };
  return {
    state,
    stop,
    start(recording, format) {
      stop();
      const own = new AbortController();
      running.current = own;
      const name = `${fileNameOf(recording)}${format === ExportFormat.ASCIICAST_V2 ? ".v2" : ""}.cast`;
      const tell = (next: DownloadState | undefined) => {
        if (!own.signal.aborted) setState(next);
      };
      tell({ name, bytes: 0 });
      downloadRecording(
        api.clients.recordings,
        { id: recording.id, format },
        (bytes) => tell({ name, bytes }),
        own.signal,
      ).then(
        (blob) => {
          save(blob, name);
          tell(undefined);
        },
        (error) => tell({ name, bytes: 0, error }),
      );
    },
  };
}

function save(blob: Blob, name: string): void {
  const href = URL.createObjectURL(blob);
  const link = document.createElement("a");
  link.href = href;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(href), keepAddressMs);
}
