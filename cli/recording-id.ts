/** Finds the recording that the user means by the beginning of its id, or of its session's; and a session that was. */

import type { Clients } from "../proto/client/clients.ts";
import { printable } from "../proto/client/printable.ts";
import type { Recording } from "../proto/gen/bartizan/v1/recording_pb.ts";
import { callTimeoutMs } from "./api.ts";
import { Complaint } from "./complaint.ts";
import { exitCodes } from "./exit-codes.ts";
import { afterHyphen, resolveSession } from "./session-id.ts";

/** The newest so many are looked through. */
const pageSize = 500;
const wholeId = /^[0-9a-f]{32}$/;

/**
 * A whole id. A beginning that fits none is given back as it is: the server answers for it. Throws a Complaint when it
 * fits several.
 */
export async function resolveRecording(clients: Clients, given: string): Promise<string> {
  if (wholeId.test(given)) return given;
  // A session of another node is known by the list of sessions alone; the server says where its recording is.
  return (await findRecording(clients, given))?.id ?? (await resolveSession(clients, given));
}

/**
 * As `resolveSession`, and of a session that the server lists no longer, because it was started again, by its recording.
 * Throws a Complaint when what is given fits several.
 */
export async function resolvePastSession(clients: Clients, given: string): Promise<string> {
  const listed = await resolveSession(clients, given);
  return listed === given ? ((await findRecording(clients, given))?.sessionId ?? given) : listed;
}

async function findRecording(clients: Clients, given: string): Promise<Recording | undefined> {
  const { recordings } = await clients.recordings.listRecordings({ pageSize }, { timeoutMs: callTimeoutMs });
  const fitting = recordings.filter(
    ({ id, sessionId }) =>
      id.startsWith(given) || sessionId.startsWith(given) || afterHyphen(sessionId).startsWith(given),
  );
  const exact = fitting.find(({ sessionId }) => sessionId === given);
  const [one, another] = exact === undefined ? fitting : [exact];
  if (given === "" || one === undefined) return undefined;
  if (another === undefined) return one;
  throw new Complaint(
    `"${printable(given)}" is ambiguous: it begins ${fitting.length} ids, ${printable(one.id)} and ${printable(another.id)} among them`,
    "Give more of it.",
    exitCodes.usage,
  );
}
