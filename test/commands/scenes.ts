/** What people do at a prompt, step by step: each scene begins and ends at one. */
import type { ShellKind } from "./shells.ts";
import type { Typist } from "./typist.ts";

export interface Scene {
  readonly name: string;
  /** Shells it makes no sense in. */
  readonly not?: readonly ShellKind[];
  readonly play: (at: Typist, shell: ShellKind) => Promise<void>;
}

const [up, left, enter] = ["\x1b[A", "\x1b[D", "\r"];
const ctrl = (letter: string) => String.fromCharCode(letter.charCodeAt(0) & 0x1f);
const pasted = (text: string) => `\x1b[200~${text}\x1b[201~`;

function scene(name: string, play: Scene["play"], not: readonly ShellKind[] = []): Scene {
  return { name, play, not };
}

/** One scene per line typed. */
const lines = (name: string, ...texts: readonly string[]) =>
  scene(name, async (at) => {
    for (const text of texts) await at.line(text);
  });

export const scenes: readonly Scene[] = [
  lines("plain commands", "echo hello world", "pwd", "ls -la /etc | head -3", "false", "cd /tmp", "cd ~"),
  lines("spaces", "echo 'two  spaces   here'", "echo a  b   c", "echo trailing "),
  lines("shell signs", "echo $HOME > /dev/null", "true && echo yes || echo no", "echo '$ # % >'"),
  scene("corrected while typed", async (at) => {
    await at.keys(`ech helo${left.repeat(4)}\x7f${left}`);
    await at.keys(`\x7f\x1b[C\x05`);
    await at.keys(`${ctrl("u")}echp fixed${left.repeat(6)}\x7fo`);
    await at.enter();
    await at.keys("echo wrnog\x7f\x7f\x7f\x7frong");
    await at.enter();
  }),
  scene("moved about in the line", async (at) => {
    await at.keys(`world one${ctrl("a")}echo ${ctrl("e")} end`);
    await at.enter();
    await at.keys(`echo alpha gamma\x1bbbeta `);
    await at.enter();
    await at.keys(`echo one two${ctrl("w")}three`);
    await at.enter();
    await at.keys(`garbage words${ctrl("u")}echo clean`);
    await at.enter();
    await at.keys(`echo yanked${ctrl("u")}${ctrl("y")} back`);
    await at.enter();
    await at.keys(`echo swap ab${ctrl("t")}`);
    await at.enter();
  }),
  scene("history", async (at) => {
    await at.line("echo first of two");
    await at.line("echo second of two");
    await at.keys(up);
    await at.enter();
    await at.keys(`${up}${up}`);
    await at.quiet();
    await at.keys(" more");
    await at.enter();
  }),
  scene(
    "searched history",
    async (at) => {
      await at.line("echo needle in haystack");
      await at.line("true");
      await at.keys(`${ctrl("r")}needle`);
      await at.quiet();
      await at.enter();
      await at.keys(`${ctrl("r")}needle`);
      await at.quiet();
      await at.keys(`${ctrl("e")} found`);
      await at.enter();
    },
    ["fish"],
  ),
  scene("completed", async (at, shell) => {
    await at.keys("cat alp\t");
    await at.quiet();
    await at.enter();
    await at.keys("cat /etc/hostn\t");
    await at.quiet();
    await at.enter();
    if (shell === "fish") return;
    await at.keys("ls /etc/host\t\t");
    await at.quiet();
    await at.keys("name");
    await at.enter();
    await at.keys("cd dir\t");
    await at.quiet();
    await at.enter();
    await at.line("cd");
  }),
  scene("longer than the screen is wide", async (at) => {
    const long = "one-two-three-four-five ".repeat(10);
    await at.line(`echo ${long.trim()}`);
    await at.line(`echo ${"x".repeat(210)}`);
    await at.keys(`echo ${long}end${ctrl("a")}\x1bf inserted`);
    await at.enter();
    await at.keys(`echo ${long}cut${left.repeat(30)}\x7f\x7f\x7f`);
    await at.enter();
  }),
  scene(
    "several lines at continuation prompts",
    async (at) => {
      await at.keys(`for i in 1 2; do${enter}`);
      await at.quiet(40);
      await at.keys(`echo "$i"${enter}`);
      await at.quiet(40);
      await at.line("done");
      await at.keys(`echo "open${enter}`);
      await at.quiet(40);
      await at.line('closed"');
      await at.keys(`cat <<EOF${enter}`);
      await at.quiet(40);
      await at.keys(`heredoc line${enter}`);
      await at.quiet(40);
      await at.line("EOF");
      await at.keys(`true &&${enter}`);
      await at.quiet(40);
      await at.line("echo both");
      await at.keys(up);
      await at.quiet();
      await at.enter();
    },
    ["fish"],
  ),
  scene(
    "several lines in the editor",
    async (at) => {
      await at.keys(`for i in 1 2${enter}`);
      await at.quiet(40);
      await at.keys(`echo $i${enter}`);
      await at.quiet(40);
      await at.line("end");
      await at.keys(`begin${enter}`);
      await at.quiet(40);
      await at.keys(`echo in block${enter}`);
      await at.quiet(40);
      await at.line("end");
    },
    ["bash", "zsh"],
  ),
  scene("pasted", async (at, shell) => {
    at.paste(pasted("echo pasted in one piece"));
    await at.quiet();
    await at.enter();
    at.paste(`${pasted("echo pasted quickly")}`);
    await at.enter();
    if (shell === "fish") return;
    at.paste(pasted("echo pasted one\necho pasted two"));
    await at.quiet();
    await at.enter();
    at.mark();
    at.paste("echo raw paste\r");
    await at.prompt();
  }),
  lines(
    "wide characters",
    "echo 你好世界",
    "echo 日本語テスト | wc -c",
    "echo 🎉 party 👍",
    `echo ${"漢字かな交じり文".repeat(8)}`,
    "echo naïve café",
  ),
  scene("a shell in a shell", async (at, shell) => {
    await at.line(shell === "fish" ? "fish" : shell);
    await at.line("echo nested");
    await at.line("cd /");
    await at.line("exit");
    await at.keys(`sh${enter}`);
    await at.quiet();
    for (const text of ["echo in dash", "ls /", "echo still"]) {
      at.ran(text);
      await at.keys(`${text}${enter}`);
      await at.quiet();
    }
    at.ran("exit");
    await at.line("exit");
  }),
  scene("vim and less", async (at) => {
    await at.keys(`vim -n -u NONE bench-file${enter}`);
    at.mark();
    await at.printed("\x1b[?1049h");
    await at.quiet(300);
    await at.keys("ihello there\x1b");
    await at.pause(100);
    await at.keys(":q!\r");
    await at.prompt();
    await at.keys(`less /etc/services${enter}`);
    at.mark();
    await at.printed("\x1b[?1049h");
    await at.quiet(200);
    await at.keys(" /ssh\r");
    await at.quiet();
    await at.keys("q");
    await at.prompt();
    await at.line("echo after less");
  }),
  scene("given up with ^C", async (at) => {
    await at.keys("rm -rf /important");
    at.mark();
    await at.keys(ctrl("c"));
    await at.prompt();
    await at.line("echo not removed");
    await at.keys(`naps${enter}`);
    // Before it has the terminal, ^C goes to the shell.
    await at.printed("asleep");
    at.mark();
    await at.keys(ctrl("c"));
    await at.prompt();
    await at.line("echo awake");
    await at.keys(`rm nothing${ctrl("c")}echo at once`);
    await at.enter();
  }),
  scene("typed ahead", async (at) => {
    at.mark();
    await at.keys(`sleep 0.5${enter}echo ahead${enter}`);
    await at.prompt();
    await at.quiet(300);
    at.mark();
    await at.keys(`sleep 0.4${enter}`);
    await at.keys("echo half");
    await at.prompt();
    await at.keys(" typed");
    await at.enter();
  }),
  scene("passwords", async (at, shell) => {
    await at.keys(`asks '[sudo] password for root: '${enter}`);
    await at.asked("[sudo] password for root: ");
    at.mark();
    await at.secret("hunter2-Sudo");
    await at.prompt();
    await at.keys(`asks "root@web's password: "${enter}`);
    await at.asked("root@web's password: ");
    at.mark();
    await at.secret("ssh;S3cret#1");
    await at.prompt();
    await at.keys(`asks Password: again${enter}`);
    await at.asked("Password:");
    await at.secret("wr0ng-pass");
    await at.asked("Password:");
    at.mark();
    await at.secret("right pass word");
    await at.prompt();
    if (shell !== "fish") {
      await at.keys(`read -s token${enter}`);
      await at.quiet();
      at.mark();
      await at.secret("tok3n-of-read");
      await at.prompt();
      await at.keys(`read -s also; echo${enter}`);
      at.mark();
      await at.pause(150);
      await at.secret("quick-s3cret");
      await at.prompt();
    }
    await at.keys(`asks 'root@web:~# '${enter}`);
    await at.asked("root@web:~# ");
    at.mark();
    await at.secret("looks-like-4-prompt");
    await at.prompt();
    await at.line("echo after the secrets");
  }),
  scene("lines for a program", async (at) => {
    await at.keys(`cat > bench-cat${enter}`);
    await at.quiet();
    await at.keys(`line for cat${enter}`);
    await at.keys(`rm -rf not a command${enter}`);
    at.mark();
    await at.keys(ctrl("d"));
    await at.prompt();
    await at.keys(`names${enter}`);
    await at.quiet();
    at.mark();
    await at.keys(`bob${enter}`);
    await at.prompt();
  }),
  scene("a job prints into the line", async (at, shell) => {
    const job = shell === "fish" ? "fish -c 'sleep 0.3; echo BACKGROUND' &" : "(sleep 0.3; echo BACKGROUND) &";
    await at.line(job);
    await at.keys("echo slowly ");
    await at.pause(120);
    await at.keys("ty");
    await at.pause(500);
    await at.keys("ped");
    await at.enter();
  }),
  scene(
    "history signs",
    async (at) => {
      await at.line("echo again");
      await at.line("!!");
      await at.line("echo !$ more");
      await at.line("^more^less^");
    },
    ["fish"],
  ),
  scene("screen cleared", async (at) => {
    await at.line("clear");
    await at.keys(`echo kept${ctrl("l")}`);
    await at.quiet();
    await at.keys(" on");
    await at.enter();
  }),
  scene("much output, and none at the end of the line", async (at) => {
    await at.line("seq 1 400");
    await at.line("printf 'no newline'");
    await at.line("echo after no newline");
    await at.enter();
    await at.line("echo # a comment");
  }),
];

/** Plays them one after the other, from the first prompt on. */
export async function playScenes(at: Typist, shell: ShellKind, some: readonly Scene[] = scenes): Promise<void> {
  await at.prompt();
  for (const { name, not = [], play } of some) {
    if (not.includes(shell)) continue;
    try {
      await play(at, shell);
    } catch (error) {
      throw new Error(`in "${name}": ${(error as Error).message}`);
    }
  }
}
