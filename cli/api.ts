/** The way to the server: address, token, certificate. The only reader of the environment in the CLI. */

import { existsSync, readFileSync, statSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { type Clients, createClients } from "../proto/client/clients.ts";
import { createNodeTransport } from "../proto/client/node-transport.ts";
import { Complaint } from "./complaint.ts";
import { exitCodes } from "./exit-codes.ts";
import { loginFile } from "./login-files.ts";

export const defaultServer = "http://127.0.0.1:7322";

/** Unary calls give up after this; streams have no limit. */
export const callTimeoutMs = 10_000;

/** The environment's part in it, read once. */
export interface Surroundings {
  readonly server: string | undefined;
  readonly token: string | undefined;
  readonly home: string;
  readonly stateDir: string;
  readonly noColor: boolean;
  readonly terminal: string;
}

/** The options that every command has. */
export interface ApiFlags {
  readonly server?: string;
  readonly ca?: string;
  readonly tokenFile?: string;
}

export interface Api extends Disposable {
  readonly server: string;
  readonly clients: Clients;
}

export function surroundings(env: NodeJS.ProcessEnv = process.env): Surroundings {
  const home = env.HOME || homedir();
  const state = env.XDG_STATE_HOME;
  return {
    server: env.BARTIZAN_SERVER || undefined,
    token: env.BARTIZAN_TOKEN || undefined,
    home,
    stateDir: join(state?.startsWith("/") ? state : join(home, ".local", "state"), "bartizan"),
    noColor: (env.NO_COLOR ?? "") !== "",
    terminal: env.TERM ?? "",
  };
}

/** Where the token comes from: `--token-file`, else BARTIZAN_TOKEN, else `login` at that server, else the state directory. */
export function tokenFile(flags: ApiFlags, around: Surroundings): string | undefined {
  if (flags.tokenFile !== undefined) return flags.tokenFile;
  if (around.token !== undefined) return undefined;
  const ofLogin = loginFile(around.stateDir, serverAddress(flags, around));
  return existsSync(ofLogin) ? ofLogin : join(around.stateDir, "token");
}

/** Throws a Complaint when there is none, or when others could have read the file. */
export function findToken(flags: ApiFlags, around: Surroundings): string {
  const file = tokenFile(flags, around);
  if (file === undefined) return wellFormed(around.token ?? "", "BARTIZAN_TOKEN");
  let mode: number;
  let text: string;
  try {
    mode = statSync(file).mode;
    text = readFileSync(file, "utf8");
  } catch (error) {
    const missing = (error as NodeJS.ErrnoException).code === "ENOENT";
    throw new Complaint(
      missing ? `There is no token in ${file}.` : `The token in ${file} cannot be read.`,
      "`bartizan login` gets one from a server; one started on this machine by this user (`bartizan serve`) writes its own there; else set BARTIZAN_TOKEN or --token-file.",
    );
  }
  if ((mode & 0o077) !== 0) {
    throw new Complaint(
      `Other users can read the token in ${file}.`,
      `Run \`chmod 600 ${file}\`, and have the token replaced if somebody may have read it.`,
    );
  }
  return wellFormed(text.trim(), file);
}

function wellFormed(token: string, from: string): string {
  if (/^[A-Za-z0-9\-._~+/]+=*$/.test(token)) return token;
  throw new Complaint(`What stands in ${from} is not a token.`, "A token is one word of letters, digits and -._~+/");
}

/** The address to call: `--server`, else BARTIZAN_SERVER, else this machine's own. Throws a Complaint for nonsense. */
export function serverAddress(flags: ApiFlags, around: Surroundings): string {
  const given = flags.server ?? around.server ?? defaultServer;
  const url = URL.parse(given.includes("://") ? given : `http://${given}`);
  if (url === null || !["http:", "https:"].includes(url.protocol)) {
    throw new Complaint(`"${given}" is no address of a server.`, `Write it like ${defaultServer}.`, exitCodes.usage);
  }
  if (url.protocol === "http:" && !/^(localhost|127\.\d+\.\d+\.\d+|\[::1\])$/.test(url.hostname)) {
    throw new Complaint(
      `${url.origin} would get the token in clear.`,
      "Use https:// (with --ca FILE for a certificate of your own), or a tunnel to this machine.",
      exitCodes.usage,
    );
  }
  return url.origin;
}

/** Opens nothing until the first call. Disposing closes the connection. */
export function openApi(flags: ApiFlags, around: Surroundings = surroundings()): Api {
  const server = serverAddress(flags, around);
  const token = findToken(flags, around);
  const transport = createNodeTransport({ baseUrl: server, token, ca: certificate(flags.ca) });
  return { server, clients: createClients(transport), [Symbol.dispose]: () => transport[Symbol.dispose]() };
}

/** The PEM text that `--ca` names. Throws a Complaint when it cannot be read. */
export function certificate(file: string | undefined): string | undefined {
  if (file === undefined) return undefined;
  try {
    return readFileSync(file, "utf8");
  } catch {
    throw new Complaint(`The certificate ${file} cannot be read.`, "--ca takes a file in PEM form.", exitCodes.usage);
  }
}
