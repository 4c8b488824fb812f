/** The frame: lets in who has a token, then shows the header and the page that the address names. */

import { Box, Loader } from "@mantine/core";
import { useQueryClient } from "@tanstack/react-query";
import { lazy, Suspense, useCallback, useEffect, useMemo, useRef, useState, useSyncExternalStore } from "react";
import { Redirect, Route, Switch, useLocation } from "wouter";
import type { Who } from "./access.ts";
import type { Api } from "./api.ts";
import { AccessPage } from "./pages/access-page.tsx";
import { AuditPage } from "./pages/audit-page.tsx";
import { CommandsPage } from "./pages/commands-page.tsx";
import { LocksPage } from "./pages/locks-page.tsx";
import { LoginPage } from "./pages/login-page.tsx";
import { RecordingsPage } from "./pages/recordings-page.tsx";
import { SessionsPage } from "./pages/sessions-page.tsx";
import { TargetsPage } from "./pages/targets-page.tsx";
import { TokensPage } from "./pages/tokens-page.tsx";
import { Broken } from "./parts/broken.tsx";
import { FrameHeader } from "./parts/frame-header.tsx";
import { useWords } from "./parts/language.tsx";
import { OfferDialog } from "./parts/offer-dialog.tsx";
import { PageProvider, type ShellWish } from "./parts/page-context.tsx";
import { SignedOutBanner } from "./parts/signed-out-banner.tsx";
import { rememberedShells } from "./remembered-shells.ts";
import { openSessionFeed, type SessionFeed } from "./session-feed.ts";
import { createSettings } from "./terminal-settings.ts";

// The terminal's code is loaded when the first one is shown.
const ShellPage = lazy(async () => ({ default: (await import("./pages/shell-page.tsx")).ShellPage }));
const WatchPage = lazy(async () => ({ default: (await import("./pages/watch-page.tsx")).WatchPage }));
const ReplayPage = lazy(async () => ({ default: (await import("./pages/replay-page.tsx")).ReplayPage }));
const WallPage = lazy(async () => ({ default: (await import("./pages/wall-page.tsx")).WallPage }));

export function App({ api }: { api: Api }) {
  const state = useSyncExternalStore(api.access.subscribe, () => api.access.state);
  useEffect(() => {
    const look = () => {
      if (document.visibilityState === "visible") void api.access.lookedAt();
    };
    document.addEventListener("visibilitychange", look);
    window.addEventListener("focus", look);
    return () => {
      document.removeEventListener("visibilitychange", look);
      window.removeEventListener("focus", look);
    };
  }, [api]);
  const inside = state.kind === "in" || state.kind === "over";
  return (
    <>
      {inside ? (
        // Another person begins with nothing of the former's.
        <Inside key={state.who.name} api={api} who={state.who} signedOut={state.kind === "over"} />
      ) : (
        <AccessPage access={api.access} state={state} />
      )}
      <OfferDialog access={api.access} />
    </>
  );
}

function Inside({ api, who, signedOut }: { api: Api; who: Who; signedOut: boolean }) {
  const words = useWords();
  const feed = useFeed(api);
  const [settings] = useState(() => createSettings(localStorage, window));
  const [path, navigate] = useLocation();
  const [wish, setWish] = useState<ShellWish>();
  const [remembered] = useState(() => rememberedShells(sessionStorage, who.name, api.access.cameByLink).length);
  const [tabs, setTabs] = useState(remembered);
  const openShell = useCallback(
    (open: ShellWish["open"]) => {
      setWish((last) => ({ id: (last?.id ?? 0) + 1, open }));
      navigate("/shell");
    },
    [navigate],
  );
  const page = useMemo(
    () => feed && { api, who, signedOut, feed, settings, openShell },
    [api, who, signedOut, feed, settings, openShell],
  );
  const queries = useQueryClient();
  // biome-ignore lint/correctness/useExhaustiveDependencies: signing in again is what makes lists worth asking for anew
  useEffect(() => {
    void queries.invalidateQueries();
    feed?.hurry();
  }, [queries, feed, signedOut]);
  const main = useRef<HTMLElement>(null);
  useTitleAndFocus(path, main.current);
  if (page === undefined) return null;

  const inShell = path === "/shell";
  // Leaving the shell page must not detach its shells: whatever can have brought one keeps it mounted.
  const shellWanted = inShell || wish !== undefined || remembered > 0;
  return (
    <PageProvider value={page}>
      {/* biome-ignore lint/a11y/useValidAnchor: it is a link; the address stays as it is */}
      <a className="skip" href="#main" onClick={(event) => focusMain(event, main.current)}>
        {words.nav.skip}
      </a>
      <Box display="flex" h="100dvh" style={{ flexDirection: "column" }}>
        <FrameHeader tabs={tabs} />
        {signedOut && <SignedOutBanner access={api.access} />}
        <Box component="main" id="main" ref={main} tabIndex={-1} flex={1} mih={0} pos="relative" style={{ outline: 0 }}>
          {shellWanted && (
            <Box h="100%" display={inShell ? "block" : "none"}>
              <Broken>
                <Suspense fallback={<Waiting />}>
                  <ShellPage visible={inShell} wish={wish} onTabs={setTabs} />
                </Suspense>
              </Broken>
            </Box>
          )}
          {!inShell && (
            <Box h="100%" style={{ overflow: "auto" }} key={path}>
              <Broken>
                <Suspense fallback={<Waiting />}>
                  <Switch>
                    <Route path="/">
                      <TargetsPage />
                    </Route>
                    <Route path="/sessions">
                      <SessionsPage />
                    </Route>
                    <Route path="/watch/:id">{({ id }) => <WatchPage sessionId={id} />}</Route>
                    <Route path="/wall">
                      <WallPage />
                    </Route>
                    <Route path="/replay/:id">{({ id }) => <ReplayPage id={id} />}</Route>
                    <Route path="/commands">
                      <CommandsPage />
                    </Route>
                    <Route path="/audit">
                      <AuditPage />
                    </Route>
                    <Route path="/recordings">
                      <RecordingsPage />
                    </Route>
                    <Route path="/locks">
                      <LocksPage />
                    </Route>
                    <Route path="/tokens">
                      <TokensPage />
                    </Route>
                    <Route path="/login">
                      <LoginPage />
                    </Route>
                    <Route>
                      <Redirect to="/" />
                    </Route>
                  </Switch>
                </Suspense>
              </Broken>
            </Box>
          )}
        </Box>
      </Box>
    </PageProvider>
  );
}

/** One list of sessions for all pages, as long as somebody is in. */
function useFeed(api: Api): SessionFeed | undefined {
  const [feed, setFeed] = useState<SessionFeed>();
  useEffect(() => {
    const life = new AbortController();
    setFeed(openSessionFeed(api.clients.sessions, life.signal));
    return () => life.abort();
  }, [api]);
  return feed;
}

function Waiting() {
  const words = useWords();
  return (
    <Box p="xl" ta="center" role="status" aria-label={words.connection.loading}>
      <Loader size="sm" />
    </Box>
  );
}

/** A screen reader hears which page came; the shell page takes the focus itself. */
function useTitleAndFocus(path: string, main: HTMLElement | null) {
  const words = useWords();
  const first = useRef(true);
  useEffect(() => {
    const names: Record<string, string> = {
      "/": words.nav.targets,
      "/sessions": words.nav.sessions,
      "/wall": words.nav.wall,
      "/recordings": words.nav.recordings,
      "/commands": words.nav.commands,
      "/audit": words.nav.audit,
      "/shell": words.nav.shells,
      "/locks": words.locks.title,
      "/tokens": words.identity.tokens.title,
      "/login": words.identity.login.title,
    };
    const name = names[path]; // a page with a session's name gives its own
    if (name !== undefined) document.title = `${name} · bartizan`;
  }, [path, words]);
  // biome-ignore lint/correctness/useExhaustiveDependencies: a change of the path is what moves the focus
  useEffect(() => {
    if (!first.current && path !== "/shell") main?.focus({ preventScroll: true });
    first.current = false;
  }, [path]);
}

function focusMain(event: { preventDefault(): void }, main: HTMLElement | null) {
  event.preventDefault(); // the fragment is for one-time codes only
  main?.focus();
}
