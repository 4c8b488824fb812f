import { expect, it } from "vitest";
import { openAccessDb } from "../../server/access/access-db.ts";
import type { IdentityEvent } from "../../server/access/identity-events.ts";
import { createPeople } from "../../server/access/people.ts";
import { createSignInFlow } from "../../server/access/sign-in-flow.ts";
import { createSignInStore, createSignIns } from "../../server/access/sign-ins.ts";
import { createLog } from "../../server/log.ts";
import { createHeldClock } from "../support/held-clock.ts";

it("the way to the provider is not used up for others by who has a whole net of IPv6", async () => {
  const clock = createHeldClock();
  using database = openAccessDb(":memory:");
  const told: IdentityEvent[] = [];
  const flow = createSignInFlow({
    oidc: {
      begin: async () => ({
        url: "https://id.example/auth",
        attempt: { state: "s", nonce: "n", verifier: "v", redirectUri: "https://b.example/auth/callback" },
      }),
      finish: () => Promise.reject(new Error("nobody comes back")),
    },
    people: createPeople({ database, clock, isReserved: () => false, believeDays: 1, given: undefined }),
    signIns: createSignIns({
      ...{ store: createSignInStore(database), clock, rolesOf: () => undefined },
      ...{ idleMs: 1000, longestMs: 1000 },
    }),
    isDisabled: () => false,
    redirectUri: () => "https://b.example/auth/callback",
    ...{ clock, log: createLog("silent"), tell: (event) => void told.push(event) },
  });
  const words: string[] = [];
  const begin = (address: string) =>
    flow.begin("", address).then(
      () => "sent",
      (error) => error.word as string,
    );
  for (let host = 0; host < 21; host += 1) words.push(await begin(`2001:db8:0:7::${host.toString(16)}`));
  expect(words).toEqual([...Array(20).fill("sent"), "limit"]);
  expect(told).toEqual([{ event: "login-throttled", address: "2001:db8:0:7::14" }]);
  expect(await begin("2001:db8:0:8::1")).toBe("sent");
  expect(await begin("10.0.0.1")).toBe("sent");
});
