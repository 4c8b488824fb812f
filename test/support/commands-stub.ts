/** Commands as the server would answer them, put in at the page's transport: for what the page makes of them. */
import { create, fromBinary, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import type { Page } from "playwright-core";
import {
  type SearchCommandsRequest,
  SearchCommandsRequestSchema,
  SearchCommandsResponseSchema,
} from "../../proto/gen/bartizan/v1/recording_pb.ts";

type Answer = MessageInitShape<typeof SearchCommandsResponseSchema>;

/** Every question of the page is answered by `answer`. Gives back the questions so far. */
export async function stubCommands(
  page: Page,
  answer: (request: SearchCommandsRequest) => Answer,
): Promise<readonly SearchCommandsRequest[]> {
  const asked: SearchCommandsRequest[] = [];
  await page.route("**/bartizan.v1.CommandService/SearchCommands", async (route) => {
    const request = fromBinary(SearchCommandsRequestSchema, route.request().postDataBuffer() ?? new Uint8Array());
    asked.push(request);
    const body = Buffer.from(
      toBinary(SearchCommandsResponseSchema, create(SearchCommandsResponseSchema, answer(request))),
    );
    await route.fulfill({ status: 200, contentType: "application/proto", body });
  });
  return asked;
}
