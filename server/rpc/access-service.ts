/** AccessService: who the caller is, which server answers, and the way into the page. */
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import type { ServiceImpl } from "@connectrpc/connect";
import type { AccessService } from "../../proto/gen/bartizan/v1/access_pb.ts";
import type { Link } from "../access/links.ts";
import { bars } from "../access/lock.ts";
import type { LoginMeter, RedeemOutcome } from "../access/login-meter.ts";
import type { PageToken } from "../access/page-tokens.ts";
import type { Caller } from "../access/policy.ts";
import type { SignInNotes } from "../access/sign-in-notes.ts";
import type { Audit, SignInWay } from "../audit.ts";
import { BartizanFault, type FaultWord, faultFrom } from "../errors.ts";
import type { Log } from "../log.ts";
import type { EntryNeeds } from "./entry.ts";
import { actorOfCall, addressOfCall, callerOfCall } from "./guard.ts";
import { lockToWire } from "./lock-wire.ts";
import { createLoginMethods, type LoginMethodsNeeds } from "./login-methods.ts";
import { mayDoEver } from "./may.ts";
import { createTokenMethods, type TokenMethodsNeeds } from "./token-methods.ts";

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

export interface AccessServiceNeeds extends EntryNeeds, TokenMethodsNeeds, LoginMethodsNeeds {
  readonly version: string;
  readonly node: string;
  readonly nativeCrypto: boolean;
  readonly log: Log;
  readonly registry: { readonly size: number };
  readonly door: PageDoor;
  readonly linkMeter: LoginMeter;
  readonly group: () => GroupWord;
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
      const group = needs.group();
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
        group: { ...group, warnings: [...group.warnings], nodes: [...group.nodes] },
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
      const { code, expiresAtMs } = needs.door.createLink(caller);
      needs.linkMeter.linkMade();
      needs.log.info({ by: caller.name }, "link made");
      return { url: needs.linkUrl(code), expiresAt: timestampFromMs(expiresAtMs) };
    },

    async redeemCode(request, context) {
      const address = addressOfCall(context);
      try {
        const { caller, token } = await needs.door.redeem(request.code, address, context.signal);
        // The code is used up; but nobody gets in by it whose coming cannot be noted.
        needs.signIns.signedIn({ name: caller.name, address, signedIn: "link" });
        needs.linkMeter.redeemed("ok");
        needs.log.info({ by: caller.name }, "link redeemed");
        const expiresAt = timestampFromMs(token.expiresAtMs);
        return { token: token.token, name: caller.name, roles: [...caller.roles], expiresAt };
      } catch (error) {
        const { word } = faultFrom(error);
        if (word === "recorder-lost") throw error;
        const outcome = outcomes[word] ?? "wrong";
        needs.linkMeter.redeemed(outcome);
        if (outcome === "throttled") needs.signIns.throttled(address, "link");
        else if (outcome === "wrong") needs.signIns.failed(address, "link");
        throw error;
      }
    },
  };
}

const ways: Readonly<Record<SignInWay, string>> = {
  ...{ "local-token": "token", token: "token", link: "link", oidc: "provider" },
  ...{ "api-token": "api-token", device: "api-token" },
};

const outcomes: Readonly<Partial<Record<FaultWord, RedeemOutcome>>> = {
  limit: "throttled",
  "holder-unreachable": "away",
};
