import { Code, ConnectError, createRouterTransport } from "@connectrpc/connect";
import { afterEach, expect, it, vi } from "vitest";
import { bearer, createClients } from "../../proto/client/index.ts";
import { SessionService } from "../../proto/gen/bartizan/v1/session_pb.ts";
import { noticeRefusal, storedToken } from "../../web/access.ts";

afterEach(() => {
  vi.unstubAllGlobals();
});

it("a late refusal of an older token does not put out who came in by a newer one; one of the newer does", async () => {
  let token = "older";
  vi.stubGlobal("sessionStorage", { getItem: () => token });
  let whileAnswering = () => {};
  let refusals = 0;
  const transport = createRouterTransport(
    ({ rpc }) => {
      rpc(SessionService.method.listSessions, () => {
        whileAnswering();
        throw new ConnectError("Who is it?", Code.Unauthenticated);
      });
    },
    { transport: { interceptors: [bearer(storedToken), noticeRefusal(() => (refusals += 1))] } },
  );
  const { sessions } = createClients(transport);
  whileAnswering = () => {
    token = "newer";
  };
  // Lost on the way, so that streams make the call again with the newer one.
  const late = await sessions.listSessions({}).catch((error) => error);
  expect(late).toMatchObject({ code: Code.Unavailable, rawMessage: "Who is it?" });
  expect(refusals).toBe(0);
  await expect(sessions.listSessions({})).rejects.toThrow("Who is it?");
  expect(refusals).toBe(1);
});
