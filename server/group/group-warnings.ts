/** What is not as it should be among the nodes, for people. Names come from a set that anybody who reaches the Redis can write. */
import { printable } from "../flow/printable.ts";

/** One thing that is wrong with one name. */
export interface GroupWarning {
  /** The same as long as it stays wrong. */
  readonly key: string;
  readonly text: string;
}

/** What the roll call knows of one run of a node. */
export interface Roll {
  readonly name: string;
  /** `stranger`: what it says of itself cannot be opened. `silent`: it left no sign for longer than a lease. */
  readonly kind: "there" | "stranger" | "silent";
  /** Its last sign, wall clock, ms. */
  readonly signedAtMs: number;
  /** It and another of the same name left signs at the same time. */
  readonly doubled: boolean;
}

/** Of each kind; the rest are counted. */
const mostNamed = 10;

export function groupWarnings(rolls: readonly Roll[]): GroupWarning[] {
  const there = new Set(rolls.filter(({ kind }) => kind === "there").map(({ name }) => name));
  const of = (kind: string, chosen: readonly Roll[], text: (roll: Roll) => string): GroupWarning[] => {
    // The newest of each name.
    const byName = new Map(chosen.toSorted((a, b) => a.signedAtMs - b.signedAtMs).map((roll) => [roll.name, roll]));
    const named = [...byName.values()].toSorted((a, b) => (a.name < b.name ? -1 : 1));
    const left = named.length - mostNamed;
    return [
      ...named.slice(0, mostNamed).map((roll) => ({ key: `${kind} ${roll.name}`, text: text(roll) })),
      ...(left > 0 ? [{ key: `${kind} others`, text: `The same is true of ${left} more.` }] : []),
    ];
  };
  return [
    ...of(
      "doubled",
      rolls.filter(({ doubled }) => doubled),
      ({ name }) =>
        `Two nodes are called ${printable(name)}: give each a name of its own (\`node\`), or calls for a shell go to the wrong one.`,
    ),
    ...of(
      "stranger",
      rolls.filter(({ kind }) => kind === "stranger"),
      ({ name }) => `${printable(name)} is on this Redis but is not believed: has it another group.key?`,
    ),
    ...of(
      "silent",
      rolls.filter(({ kind }) => kind === "silent"),
      ({ name, signedAtMs }) =>
        `${there.has(name) ? "An earlier run of " : ""}${printable(name)} gives no sign of life since ${timeOf(signedAtMs)}.`,
    ),
  ];
}

function timeOf(wallMs: number): string {
  return `${new Date(wallMs).toISOString().slice(0, 16).replace("T", " ")} UTC`;
}
