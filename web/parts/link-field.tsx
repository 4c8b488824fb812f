/** Takes a link that a person pastes, and says what is wrong with one that does not let in. */

import { Button, Group, TextInput } from "@mantine/core";
import { type FormEvent, useState } from "react";
import type { Access, LinkOutcome } from "../access.ts";
import { useWords } from "./language.tsx";

export function LinkField({ access }: { access: Access }) {
  const words = useWords().access;
  const [link, setLink] = useState("");
  const [working, setWorking] = useState(false);
  const [outcome, setOutcome] = useState<LinkOutcome>();
  const errors: Partial<Record<LinkOutcome, string>> = {
    "no-link": words.notALink,
    "link-used": words.used,
    unreachable: words.unreachable,
  };
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (working) return;
    setWorking(true);
    void access.use(link).then((came) => {
      setWorking(false);
      setOutcome(came);
      if (came === "asked") setLink("");
    });
  };
  return (
    <form onSubmit={submit} autoComplete="off">
      <Group gap="xs" align="flex-start">
        <TextInput
          flex={1}
          miw={200}
          type="text"
          aria-label={words.paste}
          placeholder={words.paste}
          spellCheck={false}
          value={link}
          error={outcome && errors[outcome]}
          onChange={(event) => {
            setLink(event.currentTarget.value);
            setOutcome(undefined);
          }}
        />
        <Button type="submit" loading={working} disabled={link.trim() === ""}>
          {words.signIn}
        </Button>
      </Group>
    </form>
  );
}
