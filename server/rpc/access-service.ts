/** AccessService: who the caller is, and which server answers. */
import type { ServiceImpl } from "@connectrpc/connect";
import type { AccessService } from "../../proto/gen/bartizan/v1/access_pb.ts";
import { callerOfCall } from "./guard.ts";

export interface AccessServiceNeeds {
  readonly version: string;
  readonly node: string;
  readonly nativeCrypto: boolean;
  readonly registry: { readonly size: number };
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
  };
}
