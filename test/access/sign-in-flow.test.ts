import { expect, it } from "vitest";
import { openAccessDb } from "../../server/access/access-db.ts";
import type { IdentityEvent } from "../../server/access/identity-events.ts";
import { createPeople } from "../../server/access/people.ts";
import { createSignInFlow, type SignInNeeds } from "../../server/access/sign-in-flow.ts";
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

it("ways back that nobody set out on fill no log: one line a minute, which says how many there were", async () => {
  const clock = createHeldClock();
  const warned: unknown[] = [];
  const log = { warn: (about: unknown) => void warned.push(about) } as unknown as SignInNeeds["log"];
  // Such a way back ends before anything of these is asked.
  const unused = {} as Pick<SignInNeeds, "oidc" | "people" | "signIns" | "isDisabled" | "redirectUri">;
  const flow = createSignInFlow({ ...unused, clock, log, tell: () => {} });
  const comeBack = () => expect(flow.finish("code=1&state=2", undefined, "192.0.2.1")).rejects.toThrow();
  for (let count = 0; count < 500; count += 1) await comeBack();
  expect(warned).toMatchObject([{ address: "192.0.2.1", cause: "attempt-unknown", leftOut: 0 }]);
  clock.pass(60_000);
  await comeBack();
  expect(warned.slice(1)).toMatchObject([{ leftOut: 499 }]);
});
