/** The part of AccessService that makes, lists and revokes API tokens. */
import { create } from "@bufbuild/protobuf";
import { durationMs, timestampFromMs } from "@bufbuild/protobuf/wkt";
import type { HandlerContext, ServiceImpl } from "@connectrpc/connect";
import { type AccessService, ApiTokenSchema, type TokenScope } from "../../proto/gen/bartizan/v1/access_pb.ts";
import type { ApiToken, ApiTokens, Narrowed, TokenWish } from "../access/api-tokens.ts";
import type { AccessChanges } from "../access/changes.ts";
import type { IdentityEvent, TellIdentity } from "../access/identity-events.ts";
import { type Action, actions, type RoleName, roleNames } from "../access/policy.ts";
import type { Rights } from "../access/rights.ts";
import { BartizanFault } from "../errors.ts";
import { actorOfCall, callerOfCall } from "./guard.ts";

export interface TokenMethodsNeeds {
  readonly apiTokens: ApiTokens;
  readonly rights: Rights;
  readonly changes: AccessChanges;
  readonly tell: TellIdentity;
}

type TokenEvent = Extract<IdentityEvent, { readonly token: string }>;
type TokenMethods = Pick<ServiceImpl<typeof AccessService>, "createToken" | "listTokens" | "revokeToken">;

const maxScopeParts = 100;
const maxPartLength = 200;

export function createTokenMethods({ apiTokens, rights, changes, tell }: TokenMethodsNeeds): TokenMethods {
  const note = (event: TokenEvent["event"], { id, owner }: Pick<ApiToken, "id" | "owner">, context: HandlerContext) =>
    tell({ event, actor: actorOfCall(context), who: owner, token: id });
  return {
    createToken(request, context) {
      const caller = callerOfCall(context);
      const wish: TokenWish = {
        ...{ label: request.label, kind: "api", roles: request.roles.map(roleOf) },
        narrowed: narrowedBy(request.scope),
        forMs: request.lasts === undefined ? 0 : durationMs(request.lasts),
      };
      const { token, made } = apiTokens.create(caller, wish, (id) =>
        note("token-created", { id, owner: caller.name }, context),
      );
      return { token, made: toWire(made) };
    },

    listTokens({ all }, context) {
      const caller = callerOfCall(context);
      const tokens = apiTokens.list(all && rights.mayReachOthers(caller, "tokens") ? undefined : caller.name);
      return { tokens: tokens.filter(({ owner }) => rights.may(caller, "tokens", { owner })).map(toWire) };
    },

    revokeToken({ id }, context) {
      const caller = callerOfCall(context);
      const found = apiTokens.find(id);
      if (found === undefined || !rights.may(caller, "tokens", { owner: found.owner }))
        throw new BartizanFault("not-found", "There is no such token.", "`bartizan token list` has yours.");
      apiTokens.revoke(id);
      note("token-revoked", found, context);
      changes.tell({ why: "token-revoked", name: found.owner });
      return {};
    },
  };
}

function roleOf(name: string): RoleName {
  const role = roleNames.find((each) => each === name);
  if (role !== undefined) return role;
  throw new BartizanFault("invalid", "There is no such role.", `The roles are ${roleNames.join(", ")}.`);
}

function narrowedBy(scope: TokenScope | undefined): Narrowed {
  if (scope === undefined) return {};
  const labels = Object.entries(scope.labels);
  const parts = [...scope.actions, ...scope.targets, ...labels.flat()];
  if (parts.length > maxScopeParts || parts.some((part) => part.length > maxPartLength))
    throw new BartizanFault("invalid", "This narrows a token to too much at once.", "Name fewer actions or targets.");
  const unknown = scope.actions.find((name) => !Object.hasOwn(actions, name));
  if (unknown !== undefined)
    throw new BartizanFault("invalid", "A token was to be for an action that there is not.", "docs/config.md has all.");
  return {
    ...(scope.actions.length === 0 ? {} : { actions: withNeeds(scope.actions as Action[]) }),
    ...(scope.targets.length === 0 ? {} : { targets: scope.targets }),
    ...(labels.length === 0 ? {} : { labels: scope.labels }),
  };
}

/** Without which an action leads to nothing: only what shows what it is done to. */
const needed: Readonly<Partial<Record<Action, Action>>> = {
  ...{ "list-targets": "see-target", open: "see-target", "list-sessions": "see" },
  ...{ reattach: "see", watch: "see", kick: "see", dismiss: "see", freeze: "see" },
};

function withNeeds(wanted: readonly Action[]): Action[] {
  // A shell is taken up again by the call that opens one.
  if (wanted.includes("reattach") && !wanted.includes("open"))
    throw new BartizanFault("invalid", "A token for reattach is worth nothing without open.", "Name open too.");
  return [...new Set(wanted.flatMap((action) => [action, needed[action] ?? action]))];
}

function toWire(token: ApiToken) {
  const { id, owner, label, kind, roles, narrowed, usedAtMs } = token;
  return create(ApiTokenSchema, {
    ...{ id, owner, label, login: kind === "login", roles: [...roles], lastUsedFrom: token.usedFrom ?? "" },
    scope: {
      actions: [...(narrowed.actions ?? [])],
      targets: [...(narrowed.targets ?? [])],
      labels: { ...narrowed.labels },
    },
    createdAt: timestampFromMs(token.createdAtMs),
    expiresAt: timestampFromMs(token.expiresAtMs),
    ...(usedAtMs === undefined ? {} : { lastUsedAt: timestampFromMs(usedAtMs) }),
  });
}
