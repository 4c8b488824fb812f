/** Draws the pages for the README, with real shells in a real browser, into docs/images. Run by `npm run screenshots`. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Page } from "playwright-core";
import { openShell } from "../../proto/client/index.ts";
import type { Target } from "../../server/target/target.ts";
import { openBrowser, openPageRig, type PageRig } from "../support/browser.ts";
import { openShellOn, shellIsOpen, shows, typeLine } from "../support/page-parts.ts";
import { openSshd } from "../support/sshd.ts";
import { until } from "../support/until.ts";
import { operate } from "../support/viewing.ts";

const folder = "docs/images";
const size = { cols: 100, rows: 28 };
const inventory: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  "web-1": { role: "web", zone: "eu" },
  "web-2": { role: "web", zone: "us" },
  "db-1": { role: "db", zone: "eu" },
  "queue-1": { role: "queue", zone: "eu" },
  "build-7": { role: "build" },
};
const principals = {
  maria: ["operator"],
  chen: ["operator", "auditor"],
  ada: ["operator"],
  sam: ["admin", "auditor"],
} as const;
/** Who runs what where, so that the lists and the wall have something to show. */
const work: readonly (readonly [who: string, target: string, command: string, sign: string])[] = [
  ["maria", "web-1", "vim -u NONE -c 'syntax on' -c 'set number nolist' deploy.ts", "deploy.ts"],
  ["chen", "db-1", "mc --nosubshell /usr/share/vim /usr/share/perl", "Quit"],
  [
    "ada",
    "build-7",
    "for n in $(seq 40); do printf '\\033[32m ✓\\033[0m test %s \\033[90m(%d ms)\\033[0m\\n' $n $((n*7%31)); done",
    "test 40",
  ],
  ["maria", "queue-1", "grep --color=always -n tcp /etc/services | head -26", "telnet"],
];

await using browser = await openBrowser("--hide-scrollbars", "--font-render-hinting=none");
await using sshd = await openSshd();
writeFileSync(join(sshd.folder, "deploy.ts"), exampleCode());
const targets: Target[] = Object.entries(inventory).map(([name, labels]) => ({
  ...sshd.target,
  name,
  labels,
  user: sshd.target.user,
}));
targets.push({ ...sshd.target, name: "new-host", labels: { role: "web" }, hostKeys: [] });
await using rig = await openPageRig(browser, {
  targets,
  principals,
  config: { node: "bastion-1", maxSessionsPerPrincipal: 50 },
});
mkdirSync(folder, { recursive: true });
await using shells = new AsyncDisposableStack();
for (const [who, target, command, sign] of work) shells.use(await openWork(rig, who, target, command, sign));

const sam = await rig.open({ as: "sam", colorScheme: "light", viewport: { width: 1280, height: 720 } });
const chen = await rig.open({ as: "chen", colorScheme: "dark", viewport: { width: 1280, height: 720 } });

await chen.locator('[data-target="web-1"]').waitFor();
await draw(chen, "targets");

await openShellOn(chen, "web-2");
await typeLine(chen, prompt("chen", "web-2"));
await typeLine(chen, "cd /etc; clear; ls --color=always -d s*; grep --color=always -m 3 -n ssh services");
await shows(chen, /ssh.*22\/tcp/);
await chen.getByTestId("latency").waitFor();
await draw(chen, "shell");

await sam.getByRole("link", { name: "Sessions" }).click();
await until(async () => (await sam.getByTestId("session").count()) === 5, "all sessions are listed");
await sam.getByRole("link", { name: /^Watch .* on db-1/ }).click();
await shows(sam, "Quit");
await draw(sam, "watch");
await sam.getByRole("link", { name: "Back to the sessions" }).click();
await draw(sam, "sessions");
await sam.getByRole("button", { name: /^Kick .* on web-1/ }).click();
await sam.getByLabel("Reason").fill("Change freeze until Monday; ask in #ops first.");
await draw(sam, "kick");
await sam.keyboard.press("Escape");

const wall = await rig.open({ as: "sam", colorScheme: "dark", viewport: { width: 1280, height: 720 } });
await wall.getByRole("link", { name: "Wall" }).click();
await shows(wall.getByTestId("tile").last(), /ssh.*22\/tcp/);
await until(
  async () => (await wall.locator('[data-testid="tile"][data-phase="live"]').count()) === 5,
  "all tiles are live",
);
await draw(wall, "wall");
await wall.close();

await chen.getByRole("link", { name: "Targets" }).click();
await chen.locator('[data-target="new-host"]').click();
await chen.getByTestId("fingerprint").waitFor();
await draw(chen, "host-key");

const phone = await rig.open({
  as: "chen",
  colorScheme: "dark",
  viewport: { width: 390, height: 760 },
  deviceScaleFactor: 2,
  hasTouch: true,
  isMobile: true,
});
await phone.locator('[data-target="db-1"]').tap();
await shellIsOpen(phone);
await typeLine(phone, prompt("chen", "db-1"));
await typeLine(phone, "clear; df -h / | tail -n 1; uptime -p");
await shows(phone, /^up /);
await draw(phone, "phone");

await recordWork(rig, sam);
await sam.getByRole("link", { name: "Recordings" }).click();
await until(async () => (await sam.getByTestId("recording").count()) > 6, "the recordings are listed");
await draw(sam, "recordings");
await sam.getByRole("link", { name: "Replay ada on web-2" }).click();
await shows(sam, "serves");
await sam.getByTestId("play").click();
await sam.getByTestId("mark").first().waitFor();
await draw(sam, "replay");
const replayed = new URL(sam.url()).pathname;
await phone.evaluate((path) => history.pushState(null, "", path), `${replayed}?at=3000`);
await phone.reload();
await shows(phone, "uptime");
await phone.getByTestId("play").tap();
await draw(phone, "replay-phone");

const stranger = await rig.open({ at: rig.bastion.url, colorScheme: "light", viewport: { width: 900, height: 560 } });
await stranger.getByRole("heading", { name: "Open this page by its link" }).waitFor();
await draw(stranger, "access");

async function draw(page: Page, name: string): Promise<void> {
  await page.mouse.move(0, 0);
  await page.screenshot({ path: join(folder, `${name}.png`), animations: "disabled" });
  process.stdout.write(`${join(folder, name)}.png\n`);
}

function prompt(who: string, target: string): string {
  return `PS1='\\[\\e[1;32m\\]${who}@${target}\\[\\e[0m\\]:\\[\\e[1;34m\\]\\w\\[\\e[0m\\]$ '; export LC_ALL=C.UTF-8 TERM=xterm-256color`;
}

/** A shell of somebody else that runs a program and takes all its output. */
async function openWork(
  { bastion }: PageRig,
  who: string,
  target: string,
  command: string,
  sign: string,
): Promise<AsyncDisposable> {
  const { sessions } = bastion.clients(`token-${who}`);
  const shell = openShell(sessions, { open: { target }, size, acks: true, reconnect: false });
  const shown = Promise.withResolvers<void>();
  const over = (async () => {
    let text = "";
    for await (const event of shell.events) {
      if (event.kind === "started")
        await shell.write(Buffer.from(`${prompt(who, target)}; cd ${sshd.folder}\nclear; ${command}\n`));
      if (event.kind !== "output") continue;
      shell.ack(event.offset + event.bytes.length);
      text = (text + Buffer.from(event.bytes).toString()).slice(-20_000);
      if (text.includes(sign)) shown.resolve();
    }
  })();
  over.catch(shown.reject);
  await shown.promise;
  return {
    [Symbol.asyncDispose]: async () => {
      shell.hangUp();
      await over.catch(() => {});
    },
  };
}

/** A shell that somebody looks at, works in for a while, and leaves: a recording with something to see and to mark. */
async function recordWork({ bastion }: PageRig, watcher: Page): Promise<void> {
  const shell = operate(bastion.clients("token-ada"), "web-2", { size });
  const { session } = await shell.started();
  const lines: readonly (readonly [command: string, sign: string])[] = [
    [`${prompt("ada", "web-2")}; cd ${sshd.folder}; clear`, "ada@web-2"],
    ["uptime -p", "up "],
    ["ls -l --color=always deploy.ts", "deploy.ts"],
    ["grep -n await deploy.ts", "await release.start"],
    ['for zone in eu us; do echo "$zone: 2.14.0 serves"; sleep 1; done', "us: 2.14.0 serves"],
    ["cat missing.ts", "No such file"],
  ];
  await watcher.goto(`${bastion.url}/watch/${session.id}`);
  await watcher.getByTestId("live").waitFor();
  for (const [command, sign] of lines) {
    const before = shell.bytes().length;
    await shell.type(`${command}\n`);
    await until(() => shell.bytes().subarray(before).toString().replace(command, "").includes(sign), sign);
    await new Promise((resolve) => setTimeout(resolve, 1500)); // a person reads
  }
  shell.shell.resize({ cols: 110, rows: 30 });
  await shell.type("exit\n");
  await shell.ended();
}

function exampleCode(): string {
  return `import { openRelease } from "./release.ts";

/** Rolls a release out, one zone after the other; stops at the first that does not get well. */
export async function deploy(version: string, zones: readonly string[]): Promise<void> {
  for (const zone of zones) {
    await using release = await openRelease(version, zone);
    await release.start();
    const healthy = await release.healthyWithin(90_000);
    if (!healthy) throw new Error(\`\${zone}: version \${version} did not get well\`);
    console.log(\`\${zone}: \${version} serves\`);
  }
}
`;
}
