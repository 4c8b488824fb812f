/** Leads to the identity provider, and back to the page that one was on. */

import { Button } from "@mantine/core";
import { printable } from "../../proto/client/index.ts";
import { useWords } from "./language.tsx";

/** `again`: somebody was signed in. */
export function ProviderButton({ provider, again = false }: { provider: string; again?: boolean }) {
  const words = useWords().identity.signIn;
  const place = location.pathname.split("/")[1] || "targets";
  const name = printable(provider, 40);
  return (
    <Button component="a" href={`/auth/login?to=${encodeURIComponent(place)}`}>
      {again ? words.again(name) : words.by(name)}
    </Button>
  );
}
