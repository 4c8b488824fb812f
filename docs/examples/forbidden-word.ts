/** Watches every live session and kicks the one whose screen shows a forbidden word: `node forbidden-word.ts WORD`. */
import { createClients, openWatch } from "bartizan/client";
import { createNodeTransport } from "bartizan/client/node";

const word = process.argv[2] ?? "forbidden";
const baseUrl = process.env.BARTIZAN_SERVER ?? "http://127.0.0.1:7322";
using transport = createNodeTransport({ baseUrl, token: process.env.BARTIZAN_TOKEN ?? "" });
const { sessions } = createClients(transport);
const watched = new Set<string>();

async function guard(sessionId: string): Promise<void> {
  const decoder = new TextDecoder(); // keeps a character that is split between two messages
  let seen = "";
  for await (const event of openWatch(sessions, { sessionId })) {
    if (event.kind !== "output" && event.kind !== "key-frame") continue;
    // What a person reads: control sequences may stand between any two letters.
    const text = decoder.decode(event.bytes, { stream: true }).replace(/\x1b(\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*)/g, "");
    seen = (seen + text).slice(-4096 - word.length);
    if (!seen.includes(word)) continue;
    const { tookMs } = await sessions.kick({ sessionId, reason: `"${word}" on the screen` });
    console.log(`kicked ${sessionId} after ${tookMs.toFixed(1)} ms`);
    return;
  }
}

for await (const { event } of sessions.watchSessions({})) {
  const changed = event.case === "snapshot" ? event.value.sessions : event.case === "changed" ? [event.value] : [];
  for (const { id, ended } of changed) {
    if (ended !== undefined || watched.has(id)) continue;
    watched.add(id);
    guard(id)
      .catch((error) => console.error(`${id}: ${error}`))
      .finally(() => watched.delete(id));
  }
}
