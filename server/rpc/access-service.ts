/** AccessService: who the caller is, which server answers, and the way into the page. */
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import type { ServiceImpl } from "@connectrpc/connect";
import type { AccessService } from "../../proto/gen/bartizan/v1/access_pb.ts";
import type { Link } from "../access/links.ts";
import type { LoginMeter, RedeemOutcome } from "../access/login-meter.ts";
import type { PageToken } from "../access/page-tokens.ts";
import type { Caller } from "../access/policy.ts";
import { BartizanFault, type FaultWord, faultFrom } from "../errors.ts";
import type { Log } from "../log.ts";
import { callerOfCall, peerKey } from "./guard.ts";

/** The way into the page, as this service knows it; see sign-in.ts. */
export interface PageDoor {
  createLink(caller: Caller): Link;
  redeem(code: string, address: string, signal: AbortSignal): Promise<{ caller: Caller; token: PageToken }>;
}

/** What joins this node to others, for people. */
export interface GroupWord {
  /** "memory": there are no others. */
  readonly bus: string;
  readonly up: boolean;
  /** Why not; one line. */
  readonly reason: string;
  /** What is not as it should be although it works; a line each. */
  readonly warnings: readonly string[];
  /** Names of the nodes that give signs of life, this one included. */
  readonly nodes: readonly string[];
}

export interface AccessServiceNeeds {
  readonly version: string;
  readonly node: string;
  readonly nativeCrypto: boolean;
  readonly registry: { readonly size: number };
  readonly signIn: PageDoor;
  readonly logins: LoginMeter;
  readonly group: () => GroupWord;
  /** The page's address with this code in its fragment. */
  readonly linkUrl: (code: string) => string;
  readonly log: Log;
}

export function createAccessService(needs: AccessServiceNeeds): ServiceImpl<typeof AccessService> {
  return {
    whoAmI(_request, context) {
      const caller = callerOfCall(context);
      const group = needs.group();
      return {
        name: caller.name,
        roles: [...caller.roles],
        serverVersion: needs.version,
        node: needs.node,
        nativeCrypto: needs.nativeCrypto,
        sessions: needs.registry.size,
        group: { ...group, warnings: [...group.warnings], nodes: [...group.nodes] },
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
      const { code, expiresAtMs } = needs.signIn.createLink(caller);
      needs.logins.linkMade();
      needs.log.info({ by: caller.name }, "link made");
      return { url: needs.linkUrl(code), expiresAt: timestampFromMs(expiresAtMs) };
    },

    async redeemCode(request, context) {
      const address = context.values.get(peerKey)?.address ?? "";
      try {
        const { caller, token } = await needs.signIn.redeem(request.code, address, context.signal);
        needs.logins.redeemed("ok");
        needs.log.info({ by: caller.name }, "link redeemed");
        const expiresAt = timestampFromMs(token.expiresAtMs);
        return { token: token.token, name: caller.name, roles: [...caller.roles], expiresAt };
      } catch (error) {
        needs.logins.redeemed(outcomes[faultFrom(error).word] ?? "wrong");
        throw error;
      }
    },
  };
}

const outcomes: Readonly<Partial<Record<FaultWord, RedeemOutcome>>> = {
  limit: "throttled",
  "holder-unreachable": "away",
};
