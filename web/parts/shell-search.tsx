/** The search bar over a terminal. */

import { ActionIcon, Text, TextInput } from "@mantine/core";
import { type KeyboardEvent, useState, useSyncExternalStore } from "react";
import type { ShellTab } from "../shell-tab.ts";
import { Icon } from "./icons.tsx";
import { useWords } from "./language.tsx";

export function ShellSearch({ tab, onClose }: { tab: ShellTab; onClose(): void }) {
  const words = useWords().shell.search;
  const { search } = useSyncExternalStore(tab.subscribe, () => tab.state);
  const [text, setText] = useState("");
  const find = (direction: "next" | "previous") => tab.view?.find(text, direction);
  function onKeyDown(event: KeyboardEvent): void {
    if (event.key === "Escape") {
      event.stopPropagation();
      onClose();
    } else if (event.key === "Enter") {
      event.preventDefault();
      find(event.shiftKey ? "previous" : "next");
    }
  }
  return (
    <search className="shell-search" data-testid="search">
      <TextInput
        size="xs"
        w={220}
        value={text}
        aria-label={words.label}
        placeholder={words.label}
        autoFocus
        spellCheck={false}
        onKeyDown={onKeyDown}
        onChange={(event) => {
          setText(event.currentTarget.value);
          tab.view?.find(event.currentTarget.value, "next", true);
        }}
      />
      <Text size="xs" c="dimmed" miw={72} ta="center" role="status">
        {text === "" ? "" : search.count === 0 ? words.none : words.found(search.at, search.count)}
      </Text>
      <ActionIcon variant="subtle" color="gray" size="sm" aria-label={words.previous} onClick={() => find("previous")}>
        <Icon name="up" size={14} />
      </ActionIcon>
      <ActionIcon variant="subtle" color="gray" size="sm" aria-label={words.next} onClick={() => find("next")}>
        <Icon name="down" size={14} />
      </ActionIcon>
      <ActionIcon variant="subtle" color="gray" size="sm" aria-label={words.close} onClick={onClose}>
        <Icon name="kick" size={14} />
      </ActionIcon>
    </search>
  );
}
