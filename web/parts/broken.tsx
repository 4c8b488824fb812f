/** Catches what a part of the page throws while it is drawn, and says what to do instead of showing nothing. */

import { Button, Code } from "@mantine/core";
import { Component, type ReactNode } from "react";
import { printable } from "../../proto/client/index.ts";
import { useWords } from "./language.tsx";
import { StatePanel } from "./state-panel.tsx";

/** React knows error boundaries only as classes that inherit. */
export class Broken extends Component<{ children: ReactNode }, { error: unknown }> {
  override state: { error: unknown } = { error: undefined };

  static getDerivedStateFromError(error: unknown) {
    return { error: error ?? new Error("unknown") };
  }

  override render() {
    return this.state.error === undefined ? this.props.children : <BrokenPanel error={this.state.error} />;
  }
}

function BrokenPanel({ error }: { error: unknown }) {
  const words = useWords();
  return (
    <StatePanel icon="alert" title={words.fault.broken} text={words.fault.brokenHint}>
      <Code block>{printable(String(error), 400)}</Code>
      <Button onClick={() => location.reload()}>{words.fault.reload}</Button>
    </StatePanel>
  );
}
