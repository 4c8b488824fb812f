/** AccessService: who the caller is, which server answers, and the way into the page. */
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import type { ServiceImpl } from "@connectrpc/connect";
import type { AccessService } from "../../proto/gen/bartizan/v1/access_pb.ts";
import type { Links } from "../access/links.ts";
import type { PageTokens } from "../access/page-tokens.ts";
import type { Caller } from "../access/policy.ts";
import type { Throttle } from "../access/throttle.ts";
import { BartizanFault } from "../errors.ts";
import type { Log } from "../log.ts";
import { callerOfCall, peerKey } from "./guard.ts";

export interface AccessServiceNeeds {
  readonly version: string;
  readonly node: string;
  readonly nativeCrypto: boolean;
  readonly registry: { readonly size: number };
  readonly links: Links;
  readonly pageTokens: PageTokens;
  readonly throttle: Throttle;
  /** The page's address with this code in its fragment. */
  readonly linkUrl: (code: string) => string;
  readonly log: Log;
}

export function createAccessService(needs: AccessServiceNeeds): ServiceImpl<typeof AccessService> {
  return {
    whoAmI(_request, context) {
      const caller = callerOfCall(context);
      return {
        name: caller.name,
        roles: [...caller.roles],
        serverVersion: needs.version,
        node: needs.node,
        nativeCrypto: needs.nativeCrypto,
        sessions: needs.registry.size,
      };
    },

    createLink(_request, context) {
      const caller = callerOfCall(context);
      if (caller.byLink === true)
        throw new BartizanFault(
          "forbidden",
          "A page cannot make links.",
          "Run `npx bartizan link` where you have a token.",
        );
      const { code, expiresAtMs } = needs.links.create(caller);
      needs.log.info({ by: caller.name }, "link made");
      return { url: needs.linkUrl(code), expiresAt: timestampFromMs(expiresAtMs) };
    },

    redeemCode(request, context) {
      const caller = redeemed(request.code, context.values.get(peerKey)?.address ?? "", needs);
      const { token, expiresAtMs } = needs.pageTokens.issue(caller);
      needs.log.info({ by: caller.name }, "link redeemed");
      return { token, name: caller.name, roles: [...caller.roles], expiresAt: timestampFromMs(expiresAtMs) };
    },
  };
}

/** Nobody guesses 256 bits: a right code is never refused because others try rubbish from the same address. */
function redeemed(code: string, address: string, { links, throttle }: AccessServiceNeeds): Caller {
  try {
    return links.redeem(code);
  } catch (error) {
    throttle.failed({ address });
    throw error;
  }
}
