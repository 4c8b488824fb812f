/** What every command is given: the server, where to print, and how. */

import { type DescMessage, type MessageShape, toJsonString } from "@bufbuild/protobuf";
import { type Api, type ApiFlags, openApi, type Surroundings } from "./api.ts";
import { createOutput, type Output } from "./output.ts";
import { coloured, type Paint, plain } from "./table.ts";
import { stdoutIsTty } from "./tty.ts";

export interface Frame {
  readonly around: Surroundings;
  /** The options of the program itself, as given. */
  readonly flags: () => ApiFlags;
  readonly output: Output;
  readonly paint: Paint;
  /** The caller disposes it. Throws a Complaint when there is no token or no such address. */
  api(): Api;
  /** Resolves when the system has it. */
  print(text: string): Promise<void>;
  /** Protobuf JSON, one document on one line, fields with default values included. */
  printJson<Desc extends DescMessage>(schema: Desc, message: MessageShape<Desc>): Promise<void>;
  /** One line for people, beside the output. */
  tell(line: string): void;
}

export function createFrame(around: Surroundings, flags: () => ApiFlags): Frame {
  const output = createOutput(1);
  const print = (text: string) => output.write(new TextEncoder().encode(text));
  return {
    around,
    flags,
    output,
    paint: stdoutIsTty() && !around.noColor && around.terminal !== "dumb" ? coloured : plain,
    api: () => openApi(flags(), around),
    print,
    printJson: (schema, message) => print(`${toJsonString(schema, message, { alwaysEmitImplicit: true })}\n`),
    tell: (line) => void process.stderr.write(`${line}\n`),
  };
}
