/** Real shells with the prompts people have, and hooks that write down what each shell itself says it ran. */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

export type ShellKind = "bash" | "zsh" | "fish";

export interface ShellSetup {
  readonly shell: ShellKind;
  readonly prompt: string;
  /** Never tuned on: its figures stand apart. */
  readonly heldOut?: true;
  /** Its line editor knows no bracketed paste: terminals then paste as if typed. */
  readonly plainPaste?: true;
  /** Start-up lines that set the prompt. */
  readonly lines: string;
}

export interface PreparedShell {
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** How many prompts the shell has printed so far. */
  prompts(): number;
  /** The commands that the shell says it ran, nested shells included. */
  truth(): string[];
}

const bash = (prompt: string, lines: string, heldOut?: true): ShellSetup => ({
  ...{ shell: "bash", prompt, lines },
  ...(heldOut && { heldOut }),
});
const zsh = (prompt: string, lines: string, heldOut?: true): ShellSetup => ({
  ...{ shell: "zsh", prompt, lines },
  ...(heldOut && { heldOut }),
});

/** OSC 133 as terminals' own scripts for bash emit it. */
const osc133 = `PS1='\\[\\e]133;A\\a\\]\\u@web:\\w\\$ \\[\\e]133;B\\a\\]'
PS0='\\e]133;C\\a'
PROMPT_COMMAND="printf '\\e]133;D;%s\\a' \\"\\$?\\"; $PROMPT_COMMAND"`;
/** As systemd's profile script does it: the start and the end of each command, no text. */
const osc3008 = `PS1='[\\u@web \\W]\\$ '
PS0='\\e]3008;start=aabb;type=command;cwd='"$PWD"'\\e\\\\'
PROMPT_COMMAND="printf '\\e]3008;end=aabb;exit=success;status=%s\\e\\\\\\\\' \\"\\$?\\"; $PROMPT_COMMAND"`;

export const shellSetups: readonly ShellSetup[] = [
  bash("plain", "PS1='\\s-\\v\\$ '"),
  bash(
    "debian",
    "PS1='\\[\\e]0;\\u@web: \\w\\a\\]\\[\\033[01;32m\\]\\u@web\\[\\033[00m\\]:\\[\\033[01;34m\\]\\w\\[\\033[00m\\]\\$ '",
  ),
  bash("two-line", "PS1='\\n\\[\\e[36m\\]\\w\\[\\e[0m\\] on \\[\\e[35m\\]main\\[\\e[0m\\]\\n> '"),
  bash(
    "starship-like",
    "PS1='\\n\\[\\e[1;36m\\]\\W\\[\\e[0m\\] on \\[\\e[1;35m\\] main\\[\\e[0m\\] via \\[\\e[1;32m\\] v24.1\\[\\e[0m\\] took 2s \\n\\[\\e[1;32m\\]❯\\[\\e[0m\\] '; PS2='\\[\\e[90m\\]∙\\[\\e[0m\\] '",
  ),
  bash("osc133", osc133),
  bash("osc3008", osc3008),
  {
    ...bash("as before 5.1", "PS1='[\\u@web \\W]\\$ '; bind 'set enable-bracketed-paste off'"),
    plainPaste: true,
  },
  zsh("plain", "PROMPT='%n@web %~ %# '"),
  zsh("right prompt", "PROMPT='%B%F{green}➜%f%b %F{cyan}%1~%f '; RPROMPT='%F{yellow}[%*]%f %?'"),
  { shell: "fish", prompt: "default", lines: "" },
  bash(
    "kali-like",
    "PS1='\\[\\e[32m\\]┌──(\\[\\e[1;34m\\]\\u㉿web\\[\\e[32m\\])-[\\[\\e[0;1m\\]\\w\\[\\e[32m\\]]\\n└─\\[\\e[1;34m\\]\\$\\[\\e[0m\\] '",
    true,
  ),
  bash("clock, no dollar", "PS1='\\[\\e[33m\\]\\A\\[\\e[0m\\] \\h:\\W» '", true),
  zsh("adam2 of promptinit", "autoload -Uz promptinit; promptinit; prompt adam2", true),
  {
    shell: "fish",
    prompt: "minimal",
    heldOut: true,
    lines: "function fish_prompt; set_color blue; printf '%s' (prompt_pwd); set_color normal; printf ' λ '; end",
  },
];

/** Writes the shell's start-up files into `folder`. */
export function prepareShell({ shell, lines }: ShellSetup, folder: string): PreparedShell {
  const at = (name: string) => join(folder, name);
  mkdirSync(at("home/dir one"), { recursive: true });
  for (const name of ["truth", "prompts", "home/alpha.txt", "home/beta.txt"]) writeFileSync(at(name), "");
  const asks = `#!/bin/bash
stty -echo; printf '%s' "$1"; IFS= read -r answer; stty echo; echo
sleep 0.05; [ "\${2:-}" = again ] && { echo 'Sorry, try again.'; exec "$0" "$1"; }; exit 0
`;
  writeFileSync(at("asks"), asks, { mode: 0o755 });
  writeFileSync(at("naps"), "#!/bin/bash\necho asleep; exec sleep 30\n", { mode: 0o755 });
  writeFileSync(at("names"), "#!/bin/bash\nread -r -p 'Name: ' name; echo \"hello $name\"\n", { mode: 0o755 });
  const env = {
    ...{ HOME: at("home"), USER: "root", LOGNAME: "root", TERM: "xterm-256color", LANG: "C.UTF-8", SHELL: "/bin/bash" },
    ...{
      PATH: `${folder}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin`,
      ENV: "",
      HISTFILE: at("history"),
    },
    ...{ XDG_DATA_HOME: at("data"), XDG_CONFIG_HOME: at("config"), LESSHISTFILE: "-", BENCH: folder },
  };
  const nulSeparated = () => readFileSync(at("truth"), "utf8").split("\0").slice(0, -1);
  const prompts = () => readFileSync(at("prompts")).length;
  const bashRc = `HISTTIMEFORMAT='%F %T '; HISTSIZE=5000; HISTFILESIZE=5000; shopt -s cmdhist lithist histappend
HISTFILE="$BENCH/truth"
PROMPT_COMMAND='history -a; printf p >> "$BENCH/prompts"'
`;
  if (shell === "bash") {
    writeFileSync(at("bashrc"), `${bashRc}${lines}\n`);
    writeFileSync(at("home/.bashrc"), `${bashRc}${lines}\n`);
    return {
      ...{ argv: ["/bin/bash", "--rcfile", at("bashrc"), "-i"], env, prompts },
      truth: () => bashHistory(readFileSync(at("truth"), "utf8")),
    };
  }
  if (shell === "zsh") {
    const hooks = `preexec() { printf '%s\\0' "$1" >> "$BENCH/truth" }; precmd() { printf p >> "$BENCH/prompts" }\nbindkey -e\n`;
    writeFileSync(at("home/.zshrc"), `${lines}\nHISTSIZE=5000; HISTFILE=\n${hooks}`);
    return { argv: ["/usr/bin/zsh", "-i"], env, prompts, truth: nulSeparated };
  }
  mkdirSync(at("config/fish"), { recursive: true });
  const hooks = `function bench_truth --on-event fish_preexec; printf '%s\\0' $argv[1] >> $BENCH/truth; end
function bench_prompt --on-event fish_prompt; printf p >> $BENCH/prompts; end
set -g fish_greeting
`;
  writeFileSync(at("config/fish/config.fish"), `${hooks}${lines}\n`);
  return { argv: ["/usr/bin/fish", "-i"], env, prompts, truth: nulSeparated };
}

/** A history file with time stamps: "#seconds", then the lines of one entry. */
function bashHistory(text: string): string[] {
  const entries: string[][] = [];
  for (const line of text.split("\n").slice(0, -1)) {
    if (/^#\d{9,}$/.test(line)) entries.push([]);
    else entries.at(-1)?.push(line);
  }
  return entries.map((lines) => lines.join("\n"));
}
