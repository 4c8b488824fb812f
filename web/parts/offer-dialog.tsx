/** Asks before a link of somebody else takes this tab: whoever follows a foreign link must not work on as another unawares. */

import { Button, Group, Modal, Stack, Text } from "@mantine/core";
import { useSyncExternalStore } from "react";
import { printable } from "../../proto/client/index.ts";
import type { Access, Offer } from "../access.ts";
import { useWords } from "./language.tsx";
import { useFocusBack } from "./use-focus-back.ts";

export function OfferDialog({ access }: { access: Access }) {
  const { access: words, kick } = useWords();
  const offer = useSyncExternalStore(access.subscribe, () => access.offer);
  const refuse = () => void access.answer(false);
  useFocusBack(offer !== undefined);
  return (
    <Modal
      opened={offer !== undefined}
      onClose={refuse}
      title={offer && words.foreignTitle(printable(offer.name, 60))}
      centered
      transitionProps={{ duration: 0 }}
      returnFocus={false}
      closeOnClickOutside={false}
      closeButtonProps={{ "aria-label": kick.close }}
    >
      {offer && <Question offer={offer} onAnswer={(take) => void access.answer(take)} />}
    </Modal>
  );
}

function Question({ offer, onAnswer }: { offer: Offer; onAnswer(take: boolean): void }) {
  const words = useWords().access;
  const name = printable(offer.name, 60);
  const instead = offer.instead.map((each) => printable(each, 60)).join(", ");
  return (
    <Stack data-testid="offer">
      <Text>{offer.here ? words.foreignHere(name, instead) : words.foreignElsewhere(name, instead)}</Text>
      <Text c="dimmed" size="sm">
        {words.foreignHint}
      </Text>
      <Group justify="flex-end" gap="sm">
        <Button variant="default" onClick={() => onAnswer(false)} data-autofocus>
          {offer.here ? words.foreignStay(instead) : words.foreignNo}
        </Button>
        <Button color="red" onClick={() => onAnswer(true)}>
          {words.foreignYes(name)}
        </Button>
      </Group>
    </Stack>
  );
}
