/** AccessService: who the caller is, which server answers, and the way into the page. */
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import type { ServiceImpl } from "@connectrpc/connect";
import type { AccessService } from "../../proto/gen/bartizan/v1/access_pb.ts";
import type { Links } from "../access/links.ts";
import { bars } from "../access/lock.ts";
import type { PageTokens } from "../access/page-tokens.ts";
import type { Caller } from "../access/policy.ts";
import type { SignInNotes } from "../access/sign-in-notes.ts";
import type { Throttle } from "../access/throttle.ts";
import type { Audit, SignInWay } from "../audit.ts";
import { BartizanFault } from "../errors.ts";
import type { Log } from "../log.ts";
import type { EntryNeeds } from "./entry.ts";
import { actorOfCall, addressOfCall, callerOfCall } from "./guard.ts";
import { lockToWire } from "./lock-wire.ts";
import { createLoginMethods, type LoginMethodsNeeds } from "./login-methods.ts";
import { mayDoEver } from "./may.ts";
import { createTokenMethods, type TokenMethodsNeeds } from "./token-methods.ts";

export interface AccessServiceNeeds extends EntryNeeds, TokenMethodsNeeds, LoginMethodsNeeds {
  readonly version: string;
  readonly node: string;
  readonly nativeCrypto: boolean;
  readonly log: Log;
  readonly registry: { readonly size: number };
  readonly links: Links;
  readonly pageTokens: PageTokens;
  readonly throttle: Throttle;
  /** The page's address with this code in its fragment. */
  readonly linkUrl: (code: string) => string;
  readonly audit: Pick<Audit, "write">;
  readonly signIns: SignInNotes;
}

export function createAccessService(needs: AccessServiceNeeds): ServiceImpl<typeof AccessService> {
  return {
    ...createTokenMethods(needs),
    ...createLoginMethods(needs),

    whoAmI(_request, context) {
      const caller = callerOfCall(context);
      return {
        name: caller.name,
        roles: [...caller.roles],
        serverVersion: needs.version,
        node: needs.node,
        nativeCrypto: needs.nativeCrypto,
        sessions: needs.registry.size,
        way: ways[caller.signedIn ?? "token"],
        may: mayDoEver(needs.rights, caller),
        locks: needs.locks
          .list()
          .filter((lock) => bars(lock, caller, lock.target))
          .map(lockToWire),
      };
    },

    createLink(_request, context) {
      const caller = callerOfCall(context);
      if (caller.byLink === true || caller.byToken !== undefined || caller.signedIn === "oidc")
        throw new BartizanFault(
          "forbidden",
          "Links are made by who has the server's own token, or one of its config.",
          "Run `npx bartizan link` where you have a token.",
        );
      needs.audit.write({ event: "link-made", actor: actorOfCall(context) });
      const { code, expiresAtMs } = needs.links.create(caller);
      needs.log.info({ by: caller.name }, "link made");
      return { url: needs.linkUrl(code), expiresAt: timestampFromMs(expiresAtMs) };
    },

    redeemCode(request, context) {
      const address = addressOfCall(context);
      const caller = redeem(needs, request.code, address);
      needs.signIns.signedIn({ name: caller.name, address, signedIn: "link" });
      const { token, expiresAtMs } = needs.pageTokens.issue(caller);
      needs.log.info({ by: caller.name }, "link redeemed");
      return { token, name: caller.name, roles: [...caller.roles], expiresAt: timestampFromMs(expiresAtMs) };
    },
  };
}

const ways: Readonly<Record<SignInWay, string>> = {
  ...{ "local-token": "token", token: "token", link: "link", oidc: "provider" },
  ...{ "api-token": "api-token", device: "api-token" },
};

/** Nobody guesses 256 bits: a right code is never refused because others try rubbish from the same address. */
function redeem({ links, throttle, signIns }: AccessServiceNeeds, code: string, address: string): Caller {
  try {
    return links.redeem(code);
  } catch (error) {
    try {
      throttle.failed({ address });
    } catch (limit) {
      signIns.throttled(address, "link");
      throw limit;
    }
    signIns.failed(address, "link");
    throw error;
  }
}
