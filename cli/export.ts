/** `bartizan export`: a recording as a file, to be kept, verified or played elsewhere. */

import { open, rm } from "node:fs/promises";
import { Command, Option } from "commander";
import { ExportFormat } from "../proto/gen/bartizan/v1/recording_pb.ts";
import { Complaint } from "./complaint.ts";
import { exitCodes, signalExitCode } from "./exit-codes.ts";
import type { Frame } from "./frame.ts";
import { createProgress } from "./progress.ts";
import { resolveRecording } from "./recording-id.ts";
import { onSignals, stdoutIsTty } from "./tty.ts";

interface ExportOptions {
  readonly format: "v2" | "v3";
  readonly output?: string;
}

export function exportCommand(frame: Frame, done: (code: number) => void): Command {
  return new Command("export")
    .summary("save a recording as a file")
    .description("Writes a recording as a file that any asciinema player plays. That you did goes into the audit log.")
    .argument("<recording>", "its id or its session's, or the beginning of one (`bartizan recordings`)")
    .addOption(
      new Option(
        "--format <version>",
        "asciicast v3: the very file, which `bartizan verify` takes; v2: for older players",
      )
        .choices(["v2", "v3"])
        .default("v3"),
    )
    .option("-o, --output <file>", "write there (a new file); else to standard output")
    .addHelpText(
      "after",
      `
Examples:
  bartizan export 7f3a -o incident.cast
  bartizan export 7f3a --format v2 | asciinema play -`,
    )
    .action(async (recording: string, options: ExportOptions) => done(await save(frame, recording, options)));
}

async function save(frame: Frame, given: string, { format, output }: ExportOptions): Promise<number> {
  if (output === undefined && stdoutIsTty())
    throw new Complaint("A recording is nothing for a terminal.", "-o FILE, or a pipe.", exitCodes.usage);
  using api = frame.api();
  const id = await resolveRecording(api.clients, given);
  const life = new AbortController();
  let left: number = exitCodes.ok;
  using _ = onSignals((signal) => {
    left = signalExitCode(signal.slice(3));
    life.abort();
  });
  const wire = format === "v2" ? ExportFormat.ASCIICAST_V2 : ExportFormat.ASCIICAST_V3;
  const pieces = api.clients.recordings.exportRecording({ id, format: wire }, { signal: life.signal, timeoutMs: 0 });
  using progress = createProgress("exported");
  let bytes = 0;
  const file = output === undefined ? undefined : await create(output);
  try {
    for await (const { data } of pieces) {
      if (file === undefined) await frame.output.writeUnless(life.signal, data);
      else await file.writeFile(data);
      bytes += data.length;
      progress.tell(bytes);
    }
  } catch (error) {
    // Half a recording must not be taken for one.
    if (output !== undefined) await rm(output, { force: true });
    if (!life.signal.aborted) throw error;
  } finally {
    await file?.close();
    life.abort();
  }
  return left;
}

async function create(path: string) {
  try {
    return await open(path, "wx", 0o600);
  } catch (error) {
    const { code = "unknown error" } = error as NodeJS.ErrnoException;
    const there = code === "EEXIST";
    throw new Complaint(
      there ? `${path} is there already.` : `${path} cannot be written (${code}).`,
      "Name another file.",
      exitCodes.usage,
    );
  }
}
