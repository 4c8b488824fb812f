/** A text of somebody else's as a sentence of ours: it may end in a full stop already. */
export function sentence(text: string): string {
  return `${text.replace(/[\s.]+$/, "")}.`;
}
