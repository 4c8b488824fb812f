/** Kicks who shows a word: `node_modules/.bin/node -C bartizan-source docs/examples/forbidden-word.ts WORD` */
import { readFileSync } from "node:fs";
import { createClients, faultOf, openWatch, printable } from "bartizan/client";
import { createNodeTransport } from "bartizan/client/node";

const word = process.argv[2] ?? "forbidden";
const baseUrl = process.env.BARTIZAN_SERVER ?? "http://127.0.0.1:7322";
const ownToken = () => readFileSync(`${process.env.HOME}/.local/state/bartizan/token`, "utf8").trim();
using transport = createNodeTransport({ baseUrl, token: () => process.env.BARTIZAN_TOKEN ?? ownToken() });
const { sessions } = createClients(transport);
const watched = new Set<string>();
const tell = (what: string) => (error: unknown) => console.error(`${what}: ${printable(faultOf(error).message)}`);

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
    return console.log(`kicked ${sessionId} after ${tookMs.toFixed(1)} ms`);
  }
}
try {
  for await (const { event } of sessions.watchSessions({})) {
    const changed = event.case === "snapshot" ? event.value.sessions : event.case === "changed" ? [event.value] : [];
    for (const { id } of changed.filter((each) => each.ended === undefined && !watched.has(each.id))) {
      watched.add(id);
      const watching = guard(id).catch(tell(id));
      void watching.finally(() => watched.delete(id));
    }
  }
} catch (error) {
  tell(baseUrl)(error);
  process.exit(1);
}
