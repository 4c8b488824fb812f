/** Every method of the contract, as it is now: for tests that must not forget a new one. */
import { readdirSync } from "node:fs";
import type { DescMethod, DescService } from "@bufbuild/protobuf";

const folder = new URL("../../proto/gen/bartizan/v1/", import.meta.url);

export async function contractMethods(): Promise<readonly DescMethod[]> {
  const files = readdirSync(folder).filter((name) => name.endsWith("_pb.ts"));
  const modules = await Promise.all(files.map((name) => import(new URL(name, folder).href) as Promise<object>));
  const services = modules
    .flatMap((module) => Object.values(module) as Partial<DescService>[])
    .filter((each): each is DescService => each.kind === "service");
  return services.flatMap(({ methods }) => methods);
}

export const pathOf = (method: DescMethod): string => `/${method.parent.typeName}/${method.name}`;
