/** The fields that narrow a list of the past: who, where, when, and for recordings label and cause. */

import { useQuery } from "@connectrpc/connect-query";
import { Autocomplete, Button, Group, Select, TextInput } from "@mantine/core";
import { printable } from "../../proto/client/index.ts";
import { TargetService } from "../../proto/gen/bartizan/v1/target_pb.ts";
import { useWords } from "./language.tsx";
import { usePage } from "./page-context.tsx";
import { causes, isNarrowed, labelsOf, times } from "./past-filter.ts";
import { seesAll } from "./rights.ts";
import type { PastFilterInUse } from "./use-past-filter.ts";

export interface PastFiltersProps {
  readonly use: PastFilterInUse;
  /** Names seen so far, to choose from. */
  readonly operators: readonly string[];
  /** Also label and cause. */
  readonly ofRecordings?: boolean;
}

export function PastFilters({ use: { filter, change, clear }, operators, ofRecordings = false }: PastFiltersProps) {
  const words = useWords().past.recordings;
  const { who } = usePage();
  const inventory = useQuery(TargetService.method.listTargets, {});
  const targets = [...new Set(inventory.data?.targets.map(({ name }) => printable(name, 80)))];
  return (
    <Group gap="sm" role="group" aria-label={words.filters} align="flex-start">
      {seesAll(who) && (
        <Autocomplete
          className="past-field"
          aria-label={`${words.operator} (${words.exact})`}
          placeholder={words.operator}
          data={[...operators]}
          value={filter.operator}
          onChange={(operator) => change({ operator })}
        />
      )}
      <Autocomplete
        className="past-field"
        aria-label={`${words.target} (${words.exact})`}
        placeholder={words.target}
        data={targets}
        value={filter.target}
        onChange={(target) => change({ target })}
      />
      {ofRecordings && (
        <TextInput
          className="past-field"
          aria-label={`${words.label} (${words.labelHint})`}
          placeholder={`${words.label}: ${words.labelHint}`}
          spellCheck={false}
          value={filter.label}
          error={labelsOf(filter) === undefined ? words.labelWrong : undefined}
          onChange={(event) => change({ label: event.currentTarget.value })}
        />
      )}
      <Select
        className="past-field"
        aria-label={words.started}
        allowDeselect={false}
        data={times.map((value) => ({ value, label: words.times[value] }))}
        value={filter.when}
        onChange={(value) => change({ when: times.find((each) => each === value) ?? "any" })}
      />
      {filter.when === "between" && (
        <>
          <TextInput
            type="datetime-local"
            aria-label={words.from}
            value={filter.from}
            onChange={(event) => change({ from: event.currentTarget.value })}
          />
          <TextInput
            type="datetime-local"
            aria-label={words.until}
            value={filter.until}
            onChange={(event) => change({ until: event.currentTarget.value })}
          />
        </>
      )}
      {ofRecordings && (
        <Select
          className="past-field"
          aria-label={words.cause}
          allowDeselect={false}
          data={causes.map((value) => ({ value, label: words.causes[value] }))}
          value={filter.cause}
          onChange={(value) => change({ cause: causes.find((each) => each === value) ?? "any" })}
        />
      )}
      {isNarrowed(filter) && (
        <Button variant="subtle" onClick={clear}>
          {words.clear}
        </Button>
      )}
    </Group>
  );
}
