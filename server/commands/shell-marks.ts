/** What shells say of themselves in OSC sequences (133, 633, 3008, 7, 1337), as facts. Anybody can forge them: evidence, no proof. */

export type ShellMark =
  | { readonly kind: "prompt-start" }
  | { readonly kind: "prompt-end" }
  /** The command begins to run; its text when the shell tells it. */
  | { readonly kind: "running"; readonly text?: string }
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "done"; readonly exitCode?: number }
  | { readonly kind: "cwd"; readonly cwd: string };

/** The OSC numbers whose data `shellMarks` reads. */
export const markNumbers = [7, 133, 633, 1337, 3008] as const;

const maxTextLength = 16 * 1024;

/** Everything that one OSC says. Unknown or malformed: nothing. */
export function shellMarks(number: number, data: string): ShellMark[] {
  if (data.length > 4 * maxTextLength) return [];
  if (number === 7) return cwdMark(fromFileUrl(data));
  if (number === 1337) return cwdMark(/^CurrentDir=(.*)$/s.exec(data)?.[1]);
  if (number === 3008) return contextMarks(data);
  const [letter = "", ...rest] = data.split(";");
  switch (letter) {
    case "A":
      return [{ kind: "prompt-start" }];
    case "B":
      return [{ kind: "prompt-end" }];
    case "C": {
      const text = number === 133 ? cmdline(rest) : undefined;
      return [{ kind: "running", ...(text === undefined ? {} : { text }) }];
    }
    case "D":
      return [{ kind: "done", ...exitPart(rest[0]) }];
    case "E":
      return number === 633 ? [{ kind: "text", text: vsCodeText(rest[0] ?? "") }] : [];
    case "P":
      return number === 633 ? cwdMark(/^Cwd=(.*)$/s.exec(vsCodeText(rest.join(";")))?.[1]) : [];
    default:
      return [];
  }
}

function cwdMark(cwd: string | undefined): ShellMark[] {
  return cwd?.startsWith("/") && cwd.length <= 4096 ? [{ kind: "cwd", cwd: cwd.replaceAll(/\p{Cc}/gu, "\ufffd") }] : [];
}

function exitPart(code: string | undefined): { exitCode?: number } {
  return code !== undefined && /^\d{1,3}$/.test(code) && Number(code) < 256 ? { exitCode: Number(code) } : {};
}

/** UAPI.15: `start=ID;type=command;cwd=...` and `end=ID;exit=success;status=N`. */
function contextMarks(data: string): ShellMark[] {
  const fields = new Map(
    data.split(";").map((field) => {
      const at = field.indexOf("=");
      return [
        field.slice(0, at),
        field.slice(at + 1).replaceAll(/\\x([0-9a-f]{2})/gi, (_, hex) => charOf(hex)),
      ] as const;
    }),
  );
  const cwd = cwdMark(fields.get("cwd"));
  if (fields.has("start") && fields.get("type") === "command") {
    const text = fields.get("cmdline");
    return [...cwd, { kind: "running", ...(text === undefined ? {} : { text: text.slice(0, maxTextLength) }) }];
  }
  if (fields.has("end") && (fields.has("status") || fields.has("exit"))) {
    const succeeded = fields.get("exit") === "success" ? "0" : undefined;
    return [{ kind: "done", ...exitPart(fields.get("status") ?? succeeded) }];
  }
  return cwd;
}

/** fish 4: `C;cmdline_url=...`; kitty's scripts: `C;cmdline=...`, quoted for a shell. */
function cmdline(fields: readonly string[]): string | undefined {
  for (const field of fields) {
    if (field.startsWith("cmdline_url=")) return decoded(field.slice("cmdline_url=".length))?.slice(0, maxTextLength);
  }
  return undefined;
}

/** `\\` is a backslash, `\x3b` a semicolon. */
function vsCodeText(text: string): string {
  const whole = text.replaceAll(/\\(\\|x([0-9a-f]{2}))/gi, (_, all: string, hex?: string) =>
    hex === undefined ? all : charOf(hex),
  );
  return whole.slice(0, maxTextLength);
}

function charOf(hex: string): string {
  return String.fromCharCode(Number.parseInt(hex, 16));
}

function fromFileUrl(url: string): string | undefined {
  const path = /^(?:file|kitty-shell-cwd):\/\/[^/]*(\/.*)$/s.exec(url)?.[1];
  return path === undefined ? undefined : decoded(path);
}

function decoded(text: string): string | undefined {
  try {
    return decodeURIComponent(text);
  } catch {
    return undefined;
  }
}

/** Where the next OSC or DEC private mode begins, at `from` or behind it; the end when there is none. */
export function nextSequence(bytes: Buffer, from: number): number {
  let at = bytes.indexOf(0x1b, from);
  while (at >= 0 && !(bytes[at + 1] === 0x5d || (bytes[at + 1] === 0x5b && bytes[at + 2] === 0x3f)))
    at = bytes.indexOf(0x1b, at + 1);
  return at < 0 ? bytes.length : at;
}

/** The length of the sequence that `bytes` begin with, and of the CR that a line editor sends along with it. */
export function sequenceLength(bytes: Buffer): number {
  const head = bytes.subarray(0, 256).toString("latin1");
  return /^\x1b(?:\[\?[\d;]*[hl](?:\r\r\n|\r)?|\][^\x07\x1b]*(?:\x07|\x1b\\))/.exec(head)?.[0].length ?? 0;
}
