/** Makes an API token, and shows it once. */

import { durationFromMs } from "@bufbuild/protobuf/wkt";
import { Alert, Button, Checkbox, Code, CopyButton, Group, Modal, Select, Stack, Text, TextInput } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { faultOf, printable } from "../../proto/client/index.ts";
import { type TokenScopeName, tokenScopeNames, tokenScopes } from "../token-scopes.ts";
import { useFaultWords } from "./fault-words.ts";
import { useWords } from "./language.tsx";
import { usePage } from "./page-context.tsx";

const hourMs = 3_600_000;
const dayMs = 24 * hourMs;
const longestPurpose = 100;

export function MakeTokenDialog({ opened, onClose }: { opened: boolean; onClose(): void }) {
  const words = useWords().identity.tokens;
  const [token, setToken] = useState<string>();
  const close = () => {
    setToken(undefined);
    onClose();
  };
  return (
    <Modal
      opened={opened}
      onClose={close}
      title={token === undefined ? words.make : words.madeTitle}
      centered
      closeOnClickOutside={token === undefined}
      closeButtonProps={{ "aria-label": words.close }}
    >
      {token === undefined ? <Wish onCancel={close} onMade={setToken} /> : <Made token={token} onDone={close} />}
    </Modal>
  );
}

function Wish({ onCancel, onMade }: { onCancel(): void; onMade(token: string): void }) {
  const words = useWords().identity.tokens;
  const { api, who } = usePage();
  const queries = useQueryClient();
  const byLink = who.way === "link";
  const spans = byLink ? [hourMs, 12 * hourMs] : [12 * hourMs, 7 * dayMs, 30 * dayMs, 90 * dayMs, 365 * dayMs];
  const [label, setLabel] = useState("");
  const [span, setSpan] = useState(String(byLink ? 12 * hourMs : 90 * dayMs));
  const [roles, setRoles] = useState<string[]>([...who.roles]);
  const [scope, setScope] = useState<TokenScopeName>("all");
  const [targets, setTargets] = useState("");
  const [tried, setTried] = useState(false);
  const making = useMutation({
    mutationFn: () =>
      api.clients.access.createToken({
        ...{ label: label.trim(), roles, lasts: durationFromMs(Number(span)) },
        scope: { actions: [...tokenScopes[scope]], targets: targets.split(/[\s,]+/).filter((name) => name !== "") },
      }),
    onSuccess: ({ token }) => {
      onMade(token);
      return queries.invalidateQueries({ queryKey: ["tokens"] });
    },
  });
  const fault = useFaultWords(faultOf(making.error));
  const submit = (event: FormEvent) => {
    event.preventDefault();
    setTried(true);
    if (label.trim() !== "" && roles.length > 0 && !making.isPending) making.mutate();
  };
  const spanWords = (ms: number) => (ms < dayMs ? words.hours(ms / hourMs) : words.days(ms / dayMs));
  return (
    <form onSubmit={submit} noValidate autoComplete="off">
      <Stack>
        <TextInput
          label={words.purpose}
          description={words.purposeHint}
          required
          data-autofocus
          maxLength={longestPurpose}
          value={label}
          error={tried && label.trim() === "" ? words.purposeNeeded : undefined}
          onChange={(event) => setLabel(event.currentTarget.value)}
        />
        <Select
          label={words.lasts}
          description={byLink ? words.byLinkHint : undefined}
          allowDeselect={false}
          data={spans.map((ms) => ({ value: String(ms), label: spanWords(ms) }))}
          value={span}
          onChange={(value) => setSpan(value ?? span)}
        />
        <Checkbox.Group
          label={words.roles}
          description={words.rolesHint}
          error={tried && roles.length === 0 ? words.rolesNeeded : undefined}
          value={roles}
          onChange={setRoles}
        >
          <Group mt="xs">
            {who.roles.map((role) => (
              <Checkbox key={role} value={role} label={printable(role, 40)} />
            ))}
          </Group>
        </Checkbox.Group>
        <Select
          label={words.purposes}
          allowDeselect={false}
          data={tokenScopeNames.map((name) => ({ value: name, label: words.scopes[name] }))}
          value={scope}
          onChange={(value) => setScope((value as TokenScopeName | null) ?? scope)}
        />
        <TextInput
          label={words.targets}
          description={words.targetsHint}
          spellCheck={false}
          value={targets}
          onChange={(event) => setTargets(event.currentTarget.value)}
        />
        {making.isError && (
          <Alert color="orange" variant="light" role="alert">
            <Text>{fault.what}</Text>
            <Text size="sm">{fault.original || fault.todo}</Text>
          </Alert>
        )}
        <Group justify="flex-end">
          <Button variant="default" onClick={onCancel}>
            {words.cancel}
          </Button>
          <Button type="submit" loading={making.isPending}>
            {words.confirm}
          </Button>
        </Group>
      </Stack>
    </form>
  );
}

function Made({ token, onDone }: { token: string; onDone(): void }) {
  const words = useWords().identity.tokens;
  return (
    <Stack>
      <Alert color="orange" variant="light" role="status">
        {words.made}
      </Alert>
      <Code block data-testid="new-token" style={{ overflowWrap: "anywhere", whiteSpace: "pre-wrap" }}>
        {token}
      </Code>
      <Group justify="flex-end">
        <CopyButton value={token}>
          {({ copied, copy }) => (
            <Button variant="default" onClick={copy} data-autofocus>
              {copied ? words.copied : words.copy}
            </Button>
          )}
        </CopyButton>
        <Button onClick={onDone}>{words.done}</Button>
      </Group>
    </Stack>
  );
}
