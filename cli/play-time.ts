/** Times and numbers as `play` takes them on the command line. */

import { InvalidArgumentError } from "commander";

/** "90", "1:30", "1:02:03", "90.5": milliseconds. Throws InvalidArgumentError for anything else. */
export function playTime(text: string): number {
  if (!/^(\d{1,6}:)?(\d{1,6}:)?\d{1,9}(\.\d{1,3})?$/.test(text))
    throw new InvalidArgumentError("Write it as 90 or 1:30 or 1:02:03.");
  return text.split(":").reduce((sum, part) => sum * 60 + Number(part), 0) * 1000;
}

/** A number above 0 and up to `most`. */
export function above0(most: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (!(value > 0) || value > most) throw new InvalidArgumentError(`A number above 0, at most ${most}.`);
    return value;
  };
}
