/** Above a page whose sign-in has ended: what goes on, what does not, and the field that goes on with it all. */

import { Alert, Code, Group, Text } from "@mantine/core";
import type { Access } from "../access.ts";
import { Icon } from "./icons.tsx";
import { useWords } from "./language.tsx";
import { LinkField } from "./link-field.tsx";
import { usePage } from "./page-context.tsx";
import { ProviderButton } from "./provider-button.tsx";

/** Takes no focus: somebody may be typing into a shell that is still connected. */
export function SignedOutBanner({ access }: { access: Access }) {
  const { access: words, identity } = useWords();
  const byProvider = usePage().who.way === "provider" && access.provider !== "";
  return (
    <Alert
      color="orange"
      variant="light"
      radius={0}
      py="xs"
      icon={<Icon name="alert" />}
      title={words.endedTitle}
      role="alert"
      data-testid="signed-out"
    >
      {byProvider ? (
        <Group gap="md">
          <Text size="sm" flex="1 1 320px">
            {identity.signIn.ended}
          </Text>
          <ProviderButton provider={access.provider} again />
        </Group>
      ) : (
        <Group gap="md" align="flex-start">
          <Text size="sm" flex="1 1 320px">
            {words.ended} <Code style={{ whiteSpace: "nowrap" }}>npx bartizan link</Code>
          </Text>
          <div style={{ flex: "1 1 320px" }}>
            <LinkField access={access} />
          </div>
        </Group>
      )}
    </Alert>
  );
}
