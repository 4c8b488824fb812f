/** What the page shows to whom it does not know: how to get a link that lets in. */

import { Button, Center, Group, Loader, Paper, Stack, Text, Title } from "@mantine/core";
import { useEffect } from "react";
import { printable } from "../../proto/client/index.ts";
import type { Access, AccessState } from "../access.ts";
import { Icon } from "../parts/icons.tsx";
import { useWords } from "../parts/language.tsx";
import { LinkCommand } from "../parts/link-command.tsx";
import { LinkField } from "../parts/link-field.tsx";
import { ProviderButton } from "../parts/provider-button.tsx";

const askAgainMs = 3000;

export function AccessPage({ access, state }: { access: Access; state: AccessState }) {
  const unreachable = state.kind === "unreachable";
  useEffect(() => {
    if (!unreachable) return;
    const timer = setInterval(() => void access.check(), askAgainMs);
    return () => clearInterval(timer);
  }, [unreachable, access]);
  return (
    <Center component="main" mih="100dvh" p="md">
      <Paper withBorder shadow="sm" p="xl" maw={520} w="100%">
        <Stack gap="lg">
          <Group gap="xs" c="cyan">
            <Icon name="tower" size={28} />
            <Text fw={700} size="lg">
              bartizan
            </Text>
          </Group>
          <Said access={access} state={state} />
        </Stack>
      </Paper>
    </Center>
  );
}

function Said({ access, state }: { access: Access; state: AccessState }) {
  const words = useWords();
  if (state.kind === "unreachable") {
    return (
      <Stack gap="sm" role="alert">
        <Title order={1} size="h3">
          {words.access.unreachable}
        </Title>
        <Text c="dimmed">{words.access.unreachableHint}</Text>
        <Text size="sm" c="dimmed">
          {printable(state.message)}
        </Text>
        <Button onClick={() => void access.check()}>{words.access.again}</Button>
      </Stack>
    );
  }
  if (state.kind !== "out") {
    return (
      <Group role="status">
        <Loader size="sm" />
        <Text>{words.access.checking}</Text>
      </Group>
    );
  }
  const { signIn } = words.identity;
  const { provider } = access;
  const why = {
    ...{ "no-link": words.access.noLink, "link-used": words.access.used, over: words.access.over },
    ...{ refused: signIn.refused, "provider-down": signIn["provider-down"], "too-often": signIn["too-often"] },
  }[state.why];
  return (
    <Stack gap="sm">
      <Title order={1} size="h3">
        {provider === "" ? words.access.title : signIn.title}
      </Title>
      {(provider === "" || state.why !== "no-link") && <Text role="status">{why}</Text>}
      {provider !== "" && (
        <>
          <ProviderButton provider={provider} />
          <Text mt="md">{signIn.orLink}</Text>
        </>
      )}
      <Text>{words.access.run}</Text>
      <LinkCommand />
      <LinkField access={access} />
    </Stack>
  );
}
