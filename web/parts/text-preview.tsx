/** A foreign text to be read before something is done with it: every character visible, of long texts the beginning. */

import { printable } from "../../proto/client/index.ts";

const previewLength = 2000;

export function TextPreview({ label, text }: { label: string; text: string }) {
  const shown = text
    .slice(0, previewLength)
    .split("\n")
    .map((line) => printable(line, previewLength))
    .join("\n");
  return (
    <section aria-label={label}>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls, so the keyboard must get into it */}
      <pre className="shell-preview" tabIndex={0}>
        {text.length > previewLength ? `${shown}…` : shown}
      </pre>
    </section>
  );
}
