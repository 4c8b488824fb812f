import { expect, it } from "vitest";
import { createSignInFlow, type SignInNeeds } from "../../server/access/sign-in-flow.ts";
import { createHeldClock } from "../support/held-clock.ts";

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
