/** Starts the page: the content policy's one exception, the way to the server, then everything that is drawn. */

import "@mantine/core/styles.css";
import "./page.css";
import "./replay.css";
import "./audit.css";
import { TransportProvider } from "@connectrpc/connect-query";
import { MantineProvider } from "@mantine/core";
import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { createApi } from "./api.ts";
import { App } from "./app.tsx";
import { keepLoginCode } from "./link-code.ts";
import { Broken } from "./parts/broken.tsx";
import { LanguageProvider } from "./parts/language.tsx";
import { cssVariables, theme } from "./theme.ts";

allowTextWithoutMarkup();
keepLoginCode();
const api = createApi();
void api.access.check();
window.addEventListener("hashchange", () => {
  if (location.hash.startsWith("#code=")) void api.access.check();
});

const queries = new QueryClient({ defaultOptions: { queries: { retry: 1, staleTime: 30_000 } } });
const place = document.getElementById("page");
if (place === null) throw new Error("index.html has no element #page.");

createRoot(place).render(
  <StrictMode>
    <MantineProvider theme={theme} cssVariablesResolver={cssVariables} defaultColorScheme="auto">
      <LanguageProvider>
        <Broken>
          <TransportProvider transport={api.transport}>
            <QueryClientProvider client={queries}>
              <App api={api} />
            </QueryClientProvider>
          </TransportProvider>
        </Broken>
      </LanguageProvider>
    </MantineProvider>
  </StrictMode>,
);

/**
 * Trusted Types (W3C) refuse every string that would be parsed as HTML. Mantine writes its style sheets that way; a text
 * without "<" can make no element, so such texts pass, and nothing else does.
 */
function allowTextWithoutMarkup() {
  const factory = (window as { trustedTypes?: { createPolicy(name: string, rules: object): unknown } }).trustedTypes;
  factory?.createPolicy("default", { createHTML: (text: string) => (text.includes("<") ? null : text) });
}
