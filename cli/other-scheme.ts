/** A failed call looked into once more: does the server speak TLS where it was asked without, or the other way round? */

import { connect, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import { faultOf } from "../proto/client/faults.ts";
import { Complaint, complaintOf, wrongScheme } from "./complaint.ts";
import { exitCodes } from "./exit-codes.ts";

/** Somebody waits for the answer: a server that says nothing for this long is not asked further. */
const lookMs = 1_500;

/** As `complaintOf`; where no answer came, the port is asked by the other scheme, without the token. */
export async function complaintAfterLook(error: unknown, server: string): Promise<Complaint> {
  const complaint = complaintOf(error, server);
  if (error instanceof Complaint || faultOf(error).word !== "connection" || !URL.canParse(server)) return complaint;
  const other = server.startsWith("https:") ? answersInClear : answersTls;
  using _ = lastWordsIgnored();
  return (await other(new URL(server))) ? new Complaint(...wrongScheme(server), exitCodes.connection) : complaint;
}

/**
 * Connect's manager of HTTP/2 connections gives up its listener before a connection that broke on foreign bytes has
 * emitted its error. The command is over by then, so that error is no news, and must not end the process with a trace.
 */
function lastWordsIgnored(): Disposable {
  const ignore = () => {};
  process.on("uncaughtException", ignore);
  return { [Symbol.dispose]: () => void process.off("uncaughtException", ignore) };
}

function answersTls(url: URL): Promise<boolean> {
  // Only whether TLS is spoken: nothing is sent, so it does not matter by whom.
  const socket = connectTls({ ...place(url), rejectUnauthorized: false });
  return settled(socket, (yes) => socket.once("secureConnect", () => yes(true)));
}

function answersInClear(url: URL): Promise<boolean> {
  const socket = connect(place(url));
  socket.once("connect", () => socket.write(`GET /healthz HTTP/1.1\r\nHost: ${url.host}\r\nConnection: close\r\n\r\n`));
  return settled(socket, (yes) => socket.once("data", (bytes) => yes(bytes.subarray(0, 5).toString() === "HTTP/")));
}

/** IPv6 addresses stand in brackets in an address only. */
function place(url: URL): { host: string; port: number } {
  const port = Number(url.port) || (url.protocol === "https:" ? 443 : 80);
  return { host: url.hostname.replace(/^\[|\]$/g, ""), port };
}

/** Closes the socket. False when it closes, or when nothing is known in time. */
async function settled(socket: Socket, when: (yes: (is: boolean) => void) => void): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const timer = setTimeout(() => resolve(false), lookMs);
  socket.once("error", () => resolve(false));
  socket.once("close", () => resolve(false));
  when(resolve);
  try {
    return await promise;
  } finally {
    clearTimeout(timer);
    socket.destroy();
  }
}
