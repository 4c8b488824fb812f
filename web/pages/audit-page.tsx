/** The audit log: who did what, from where, and how it came out; narrowed by its fields, followed when one wishes. */

import { timestampMs } from "@bufbuild/protobuf/wkt";
import { Badge, Button, Center, Code, Container, Group, Paper, Skeleton, Stack, Text, Title } from "@mantine/core";
import { useDebouncedValue } from "@mantine/hooks";
import { useMemo, useState } from "react";
import { Link, useSearchParams } from "wouter";
import { printable } from "../../proto/client/index.ts";
import type { AuditEntry } from "../../proto/gen/bartizan/v1/audit_pb.ts";
import {
  type AuditFields,
  fieldsFromSearch,
  filterOf,
  type OutcomeWord,
  outcomeWord,
  searchFromFields,
} from "../parts/audit-filter.ts";
import { AuditFilters } from "../parts/audit-filters.tsx";
import { FaultPanel } from "../parts/fault-panel.tsx";
import { useWords } from "../parts/language.tsx";
import { usePage } from "../parts/page-context.tsx";
import { mayReadAudit } from "../parts/rights.ts";
import { StatePanel } from "../parts/state-panel.tsx";
import { useAudit } from "../parts/use-audit.ts";
import { When } from "../parts/when.tsx";

/** Who types is waited for so long before the server is asked. */
const typingMs = 250;

export function AuditPage() {
  const { who } = usePage();
  const words = useWords().audit;
  if (!mayReadAudit(who)) return <StatePanel icon="hands-off" title={words.title} text={words.notAllowed} />;
  return <Log />;
}

function Log() {
  const words = useWords();
  const [search, setSearch] = useSearchParams();
  const [fields, setFields] = useState(() => fieldsFromSearch(search));
  const [asked] = useDebouncedValue(fields, typingMs);
  const [follow, setFollow] = useState(false);
  const filter = useMemo(() => filterOf(asked, Date.now()), [asked]);
  const { entries, pending, error, more, fetchingMore, again, following } = useAudit(filter, follow);
  const change = (changes: Partial<AuditFields>) => {
    const next = { ...fields, ...changes };
    setFields(next);
    setSearch(searchFromFields(next), { replace: true });
  };
  const counted = more === undefined ? words.audit.count : words.audit.countMore;
  return (
    <Container size="xl" py="lg">
      <Stack gap="md">
        <Group justify="space-between">
          <Title order={1} size="h2">
            {words.audit.title}
          </Title>
          <Text size="sm" c="dimmed" role="status" data-testid="audit-count">
            {pending || error !== undefined ? "" : counted(entries.length)}
          </Text>
        </Group>
        <Text size="sm" c="dimmed">
          {words.audit.hint}
        </Text>
        <AuditFilters {...{ fields, change, follow }} onFollow={setFollow} seen={seenIn(entries)} />
        {follow && (
          <Text size="sm" c="dimmed" role="status" data-testid="audit-following" data-following={following}>
            {following ? words.audit.following : words.audit.followLost}
          </Text>
        )}
        {pending && <Skeleton height={240} role="status" aria-label={words.connection.loading} />}
        {error !== undefined && <FaultPanel error={error} retry={again} />}
        {!pending && error === undefined && entries.length === 0 && (
          <StatePanel icon="search" title={words.audit.emptyTitle} text={words.audit.empty} />
        )}
        {entries.length > 0 && (
          <Paper withBorder style={{ overflow: "hidden" }}>
            <ol className="audit-entries" aria-label={words.audit.title}>
              {entries.map((entry) => (
                <Entry key={String(entry.number)} entry={entry} />
              ))}
            </ol>
          </Paper>
        )}
        {more !== undefined && (
          <Center>
            <Button variant="default" loading={fetchingMore} onClick={more}>
              {words.audit.more}
            </Button>
          </Center>
        )}
      </Stack>
    </Container>
  );
}

const colours: Readonly<Record<OutcomeWord, string>> = {
  ...{ ok: "teal", asked: "cyan", refused: "orange", failed: "red", unknown: "grape" },
};

function Entry({ entry }: { entry: AuditEntry }) {
  const words = useWords().audit;
  const [open, setOpen] = useState(false);
  const { at, event, principal, source, target, recordingId, line } = entry;
  const outcome = outcomeWord(entry.outcome);
  return (
    <li className="audit-entry" data-testid="audit-entry" data-event={event}>
      <button type="button" className="audit-row" aria-expanded={open} onClick={() => setOpen(!open)}>
        <Text span size="sm" c="dimmed" className="audit-when">
          {at !== undefined && <When atMs={timestampMs(at)} />}
        </Text>
        <Group gap={8} className="audit-what" wrap="nowrap">
          <Text span size="sm" fw={600}>
            {printable(event, 80)}
          </Text>
          {outcome !== undefined && (
            <Badge size="sm" variant="light" color={colours[outcome]}>
              {words.outcomes[outcome]}
            </Badge>
          )}
        </Group>
        <Text span size="sm" className="audit-who">
          {printable(principal, 80)}
          {source !== "" && (
            <Text span size="sm" c="dimmed">
              {" "}
              {words.from(printable(source, 60))}
            </Text>
          )}
        </Text>
        <Text span size="sm" className="audit-about">
          {[printable(target, 80), aboutWords(entry)].filter((word) => word !== "").join(" · ")}
        </Text>
      </button>
      {open && (
        <Stack gap={6} p="sm">
          <Code block className="audit-line" aria-label={words.line}>
            {printable(line, 16_384)}
          </Code>
          {recordingId !== "" && <Link href={`/replay/${encodeURIComponent(recordingId)}`}>{words.replay}</Link>}
        </Stack>
      )}
    </li>
  );
}

/** What it was about, and why it came out so, in the log's own words. Signatures are for programs. */
function aboutWords({ event, sessionId, cause, details }: AuditEntry): string {
  const told = event === "checkpoint" ? [] : Object.entries(details).map(([name, value]) => `${name} ${value}`);
  return [sessionId, cause, ...told]
    .filter((word) => word !== "")
    .map((word) => printable(word, 160))
    .join(", ");
}

function seenIn(entries: readonly AuditEntry[]) {
  const names = (of: (entry: AuditEntry) => string) =>
    [...new Set(entries.map((entry) => printable(of(entry), 80)))].filter((name) => name !== "").sort();
  return {
    event: names(({ event }) => event),
    principal: names(({ principal }) => principal),
    target: names(({ target }) => target),
  };
}
