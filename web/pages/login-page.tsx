/** Lets a program in that shows a code, after a look at who asks. Nothing happens because of an address: a person decides. */

import { durationMs, timestampMs } from "@bufbuild/protobuf/wkt";
import { Alert, Button, Code, Container, Group, Paper, Stack, Table, Text, TextInput, Title } from "@mantine/core";
import { useMutation } from "@tanstack/react-query";
import { type FormEvent, useEffect, useRef, useState } from "react";
import { faultOf, printable } from "../../proto/client/index.ts";
import type { GetLoginResponse } from "../../proto/gen/bartizan/v1/access_pb.ts";
import { takeLoginCode } from "../link-code.ts";
import { useFaultWords } from "../parts/fault-words.ts";
import { useWords } from "../parts/language.tsx";
import { usePage } from "../parts/page-context.tsx";
import { When } from "../parts/when.tsx";

export function LoginPage() {
  const words = useWords().identity.login;
  const { api } = usePage();
  const [code, setCode] = useState("");
  const [answered, setAnswered] = useState<boolean>();
  const look = useMutation({ mutationFn: (given: string) => api.clients.access.getLogin({ code: given }) });
  const fault = useFaultWords(faultOf(look.error));
  const begun = useRef(false);
  // biome-ignore lint/correctness/useExhaustiveDependencies: only the code that the page came with is looked at by itself
  useEffect(() => {
    if (begun.current) return;
    begun.current = true;
    const came = takeLoginCode();
    if (came === "") return;
    setCode(came);
    look.mutate(came);
  }, []);
  const again = () => {
    setCode("");
    setAnswered(undefined);
    look.reset();
  };
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (code.trim() !== "" && !look.isPending) look.mutate(code);
  };
  const asked = look.data;
  return (
    <Container size="xs" py="xl">
      <Paper withBorder p="xl">
        <Stack>
          <Title order={1} size="h2">
            {words.title}
          </Title>
          {answered !== undefined ? (
            <>
              <Alert color={answered ? "teal" : "orange"} variant="light" role="status" data-testid="login-answered">
                {answered ? words.allowed : words.denied}
              </Alert>
              <Button variant="default" onClick={again}>
                {words.another}
              </Button>
            </>
          ) : asked === undefined ? (
            <form onSubmit={submit} autoComplete="off">
              <Stack>
                <Text>{words.explain}</Text>
                <TextInput
                  label={words.code}
                  placeholder="XXXX-XXXX"
                  spellCheck={false}
                  maxLength={20}
                  value={code}
                  error={look.isError ? fault.what : undefined}
                  onChange={(event) => setCode(event.currentTarget.value)}
                />
                <Button type="submit" loading={look.isPending} disabled={code.trim() === ""}>
                  {words.look}
                </Button>
              </Stack>
            </form>
          ) : (
            <Asked asked={asked} onAnswered={setAnswered} />
          )}
        </Stack>
      </Paper>
    </Container>
  );
}

function Asked({ asked, onAnswered }: { asked: GetLoginResponse; onAnswered(allowed: boolean): void }) {
  const words = useWords().identity.login;
  const { api, who } = usePage();
  const answer = useMutation({
    mutationFn: (allow: boolean) => api.clients.access.answerLogin({ code: asked.code, allow }),
    onSuccess: (_answer, allow) => onAnswered(allow),
  });
  const fault = useFaultWords(faultOf(answer.error));
  const hours = asked.lasts === undefined ? 0 : Math.round(durationMs(asked.lasts) / 360_000) / 10;
  const facts = [
    [words.host, printable(asked.host, 100) || words.unknownHost],
    [words.address, printable(asked.address, 60)],
    [words.asked, asked.askedAt === undefined ? "" : <When key="when" atMs={timestampMs(asked.askedAt)} />],
  ] as const;
  return (
    <Stack data-testid="login-asked">
      <Text>{words.question(asked.code)}</Text>
      <Code fz="xl" ta="center" p="sm">
        {printable(asked.code, 20)}
      </Code>
      <Table aria-label={words.title}>
        <Table.Tbody>
          {facts.map(([name, value]) => (
            <Table.Tr key={name}>
              <Table.Th>{name}</Table.Th>
              <Table.Td>{value}</Table.Td>
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
      <Text>{words.gets(printable(who.name, 100), who.roles.join(", "), hours)}</Text>
      <Alert color="orange" variant="light">
        {words.warning}
      </Alert>
      {answer.isError && (
        <Alert color="orange" variant="light" role="alert">
          {fault.what}
        </Alert>
      )}
      <Group justify="flex-end">
        <Button variant="default" disabled={answer.isPending} onClick={() => answer.mutate(false)}>
          {words.deny}
        </Button>
        <Button loading={answer.isPending} onClick={() => answer.mutate(true)}>
          {words.allow}
        </Button>
      </Group>
    </Stack>
  );
}
