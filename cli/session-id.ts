/** Finds the session that the user means by the beginning of its id. */

import type { Clients } from "../proto/client/clients.ts";
import { printable } from "../proto/client/printable.ts";
import type { SessionInfo } from "../proto/gen/bartizan/v1/session_pb.ts";
import { callTimeoutMs } from "./api.ts";
import { Complaint } from "./complaint.ts";
import { exitCodes } from "./exit-codes.ts";

/**
 * The full id. A beginning that fits no session is given back as it is: the server answers for it. Throws a Complaint
 * when it fits several.
 */
export async function resolveSession(clients: Clients, given: string): Promise<string> {
  const { sessions } = await clients.sessions.listSessions({ includeEnded: true }, { timeoutMs: callTimeoutMs });
  return pickSession(sessions, given);
}

/** A session's id without its node's name. */
export function afterHyphen(id: string): string {
  return id.slice(id.lastIndexOf("-") + 1);
}

/** As `resolveSession`, of a list: live sessions go before ended ones; the node's name before the id may be left out. */
export function pickSession(sessions: readonly SessionInfo[], given: string): string {
  if (given === "" || sessions.some((session) => session.id === given)) return given;
  const fits = ({ id }: SessionInfo) => id.startsWith(given) || afterHyphen(id).startsWith(given);
  const all = sessions.filter(fits);
  const live = all.filter((session) => session.ended === undefined);
  const [one, ...more] = live.length > 0 ? live : all;
  if (one === undefined) return given;
  if (more.length === 0) return one.id;
  const fitting = [one, ...more];
  const ids = fitting.slice(0, 5).map((session) => printable(session.id));
  const rest = fitting.length > ids.length ? ` and ${fitting.length - ids.length} more` : "";
  throw new Complaint(
    `"${printable(given)}" is ambiguous: it begins ${fitting.length} ids: ${ids.join(", ")}${rest}`,
    "Give more of it.",
    exitCodes.usage,
  );
}
