/** The fields that narrow the audit log. */

import { Autocomplete, Button, Group, Select, Switch, TextInput } from "@mantine/core";
import { type AuditFields, narrows, noFields, outcomes } from "./audit-filter.ts";
import { useWords } from "./language.tsx";
import { times } from "./past-filter.ts";

export interface AuditFiltersProps {
  readonly fields: AuditFields;
  readonly change: (changes: Partial<AuditFields>) => void;
  /** Seen so far, to choose from. */
  readonly seen: Readonly<Record<"event" | "principal" | "target", readonly string[]>>;
  readonly follow: boolean;
  readonly onFollow: (follow: boolean) => void;
}

export function AuditFilters({ fields, change, seen, follow, onFollow }: AuditFiltersProps) {
  const { audit: words, past } = useWords();
  const text = (key: "event" | "principal" | "target", hint: string) => (
    <Autocomplete
      className="past-field"
      aria-label={`${words[key]} (${hint})`}
      placeholder={words[key]}
      data={[...seen[key]]}
      value={fields[key]}
      onChange={(value) => change({ [key]: value })}
    />
  );
  const between = (key: "from" | "until") => (
    <TextInput
      type="datetime-local"
      aria-label={past.recordings[key]}
      value={fields[key]}
      onChange={(event) => change({ [key]: event.currentTarget.value })}
    />
  );
  return (
    <Group gap="sm" role="group" aria-label={words.filters} align="center">
      {text("event", words.eventHint)}
      {text("principal", words.exact)}
      {text("target", words.exact)}
      <TextInput
        className="past-field"
        aria-label={`${words.session} (${words.exact})`}
        placeholder={words.session}
        spellCheck={false}
        value={fields.session}
        onChange={(event) => change({ session: event.currentTarget.value })}
      />
      <Select
        className="past-field"
        aria-label={words.outcome}
        allowDeselect={false}
        data={[
          { value: "", label: words.anyOutcome },
          ...outcomes.map((value) => ({ value, label: words.outcomes[value] })),
        ]}
        value={fields.outcome}
        onChange={(value) => change({ outcome: outcomes.find((each) => each === value) ?? "" })}
      />
      <Select
        className="past-field"
        aria-label={words.when}
        allowDeselect={false}
        data={times.map((value) => ({ value, label: past.recordings.times[value] }))}
        value={fields.when}
        onChange={(value) => change({ when: times.find((each) => each === value) ?? "any" })}
      />
      {fields.when === "between" && (
        <>
          {between("from")}
          {between("until")}
        </>
      )}
      <Switch label={words.follow} checked={follow} onChange={(event) => onFollow(event.currentTarget.checked)} />
      {narrows(fields) && (
        <Button variant="subtle" onClick={() => change(noFields)}>
          {past.recordings.clear}
        </Button>
      )}
    </Group>
  );
}
