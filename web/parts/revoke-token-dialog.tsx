/** Asks once more, and ends a token. */

import { Alert, Button, Group, Modal, Stack, Text } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { faultOf, printable } from "../../proto/client/index.ts";
import type { ApiToken } from "../../proto/gen/bartizan/v1/access_pb.ts";
import { useFaultWords } from "./fault-words.ts";
import { useWords } from "./language.tsx";
import { usePage } from "./page-context.tsx";

/** `token` undefined: the dialog is closed. */
export function RevokeTokenDialog({ token, onClose }: { token: ApiToken | undefined; onClose(): void }) {
  const words = useWords().identity.tokens;
  return (
    <Modal
      opened={token !== undefined}
      onClose={onClose}
      title={token && words.revokeTitle(printable(token.label, 100))}
      centered
      closeButtonProps={{ "aria-label": words.close }}
    >
      {token !== undefined && <Asking key={token.id} token={token} onClose={onClose} />}
    </Modal>
  );
}

function Asking({ token, onClose }: { token: ApiToken; onClose(): void }) {
  const words = useWords().identity.tokens;
  const { api } = usePage();
  const queries = useQueryClient();
  const end = useMutation({
    mutationFn: () => api.clients.access.revokeToken({ id: token.id }),
    onSuccess: () => {
      onClose();
      return queries.invalidateQueries({ queryKey: ["tokens"] });
    },
  });
  const fault = useFaultWords(faultOf(end.error));
  return (
    <Stack>
      <Text size="sm">{words.revokeExplain}</Text>
      {end.isError && (
        <Alert color="orange" variant="light" role="alert">
          {fault.what}
        </Alert>
      )}
      <Group justify="flex-end">
        <Button variant="default" onClick={onClose} data-autofocus>
          {words.cancel}
        </Button>
        <Button color="red" loading={end.isPending} onClick={() => end.mutate()}>
          {words.revokeConfirm}
        </Button>
      </Group>
    </Stack>
  );
}
