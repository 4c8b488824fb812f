/** `bartizan login` and `bartizan logout`: a token of one's own for a server, by a code that a person allows on its page. */

import { hostname } from "node:os";
import { durationMs, type Timestamp, timestampMs } from "@bufbuild/protobuf/wkt";
import { Command } from "commander";
import { createClients } from "../proto/client/clients.ts";
import { faultOf, isLostCall } from "../proto/client/faults.ts";
import { createNodeTransport } from "../proto/client/node-transport.ts";
import { printable } from "../proto/client/printable.ts";
import { LoginState, type PollLoginResponse } from "../proto/gen/bartizan/v1/access_pb.ts";
import { callTimeoutMs, certificate, openApi, serverAddress } from "./api.ts";
import { Complaint } from "./complaint.ts";
import { exitCodes, signalExitCode } from "./exit-codes.ts";
import type { Frame } from "./frame.ts";
import { forgetLogin, keepLogin, loginFile } from "./login-files.ts";
import { onSignals } from "./tty.ts";

/** RFC 8628, 3.5: what a server's "too soon" adds to the time between two questions. */
const slowDownMs = 5000;

export function loginCommand(frame: Frame, done: (code: number) => void): Command {
  return new Command("login")
    .summary("sign in to a server, by its page")
    .description(
      "Prints a code and an address. Open the address in any browser, sign in, compare the code and allow it: this machine then has a token for that server, for the hours that the page tells (12, unless its config says otherwise).",
    )
    .addHelpText(
      "after",
      "\nExamples:\n  bartizan login --server https://bastion.example.com\n  bartizan logout --server https://bastion.example.com",
    )
    .action(async () => done(await login(frame)));
}

export function logoutCommand(frame: Frame, done: (code: number) => void): Command {
  return new Command("logout")
    .summary("give the token of `login` back")
    .description("Ends the token that `bartizan login` got for this server, and removes it from this machine.")
    .action(async () => done(await logout(frame)));
}

async function login(frame: Frame): Promise<number> {
  const server = serverAddress(frame.flags(), frame.around);
  using transport = createNodeTransport({ baseUrl: server, ca: certificate(frame.flags().ca) });
  const { access } = createClients(transport);
  const begun = await access.beginLogin({ host: hostname() }, { timeoutMs: callTimeoutMs });
  frame.tell(`Open this address in a browser, and allow this code there if it is the same:

  ${printable(begun.url)}

  ${printable(begun.code)}
`);
  const stop = new AbortController();
  let stoppedBy = "";
  using _signals = onSignals((name) => {
    stoppedBy = name;
    stop.abort();
  });
  let everyMs = begun.every === undefined ? slowDownMs : durationMs(begun.every);
  const ask = async (): Promise<PollLoginResponse | undefined> => {
    try {
      return await access.pollLogin({ id: begun.id }, { timeoutMs: callTimeoutMs, signal: stop.signal });
    } catch (error) {
      if (stop.signal.aborted) return undefined;
      if (faultOf(error).word === "limit") everyMs += slowDownMs;
      // It was not heard, or its answer was lost on the way: the code is good for some minutes.
      else if (!isLostCall(error)) throw error;
      return undefined;
    }
  };
  for (;;) {
    await pause(everyMs, stop.signal);
    const answer = stop.signal.aborted ? undefined : await ask();
    if (stop.signal.aborted) return signalExitCode(stoppedBy.replace("SIG", ""));
    if (answer?.every !== undefined) everyMs = durationMs(answer.every);
    if (answer?.state === LoginState.DENIED)
      throw new Complaint("It was denied on the page.", "Run `bartizan login` again if that was a mistake.");
    if (answer?.state !== LoginState.ALLOWED) continue;
    keepLogin(loginFile(frame.around.stateDir, server), answer.token);
    const end = answer.expiresAt === undefined ? "its time is over" : `${spanWords(answer.expiresAt)} are over`;
    frame.tell(`You are ${printable(answer.name)} at ${server}, until you run \`bartizan logout\` or ${end}.`);
    return exitCodes.ok;
  }
}

async function logout(frame: Frame): Promise<number> {
  const server = serverAddress(frame.flags(), frame.around);
  const file = loginFile(frame.around.stateDir, server);
  const api = openApi({ ...frame.flags(), tokenFile: file }, frame.around);
  try {
    await api.clients.access.logout({}, { timeoutMs: callTimeoutMs });
  } catch (error) {
    // It was over already: then there is only the file.
    if (faultOf(error).word !== "unauthenticated") throw error;
  } finally {
    api[Symbol.dispose]();
  }
  forgetLogin(file);
  frame.tell(`You are signed out at ${server}.`);
  return exitCodes.ok;
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const over = () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", over);
      resolve();
    };
    const timer = setTimeout(over, ms);
    signal.addEventListener("abort", over, { once: true });
    if (signal.aborted) over();
  });
}

/** "12 hours" from now. */
function spanWords(end: Timestamp): string {
  const minutes = Math.round((timestampMs(end) - Date.now()) / 60_000);
  return minutes < 120 ? `${minutes} minutes` : `${Math.round(minutes / 60)} hours`;
}
