/** Takes the sting out of control sequences that freeze or break xterm.js 6, in the browser's terminal and on the server. */

interface Params {
  readonly params: Int32Array;
}
interface Line {
  getString(column: number): string;
}
interface Core {
  readonly cols: number;
  readonly rows: number;
  readonly buffer: {
    readonly x: number;
    readonly y: number;
    readonly ybase: number;
    readonly lines: { get(index: number): Line | undefined };
  };
  registerCsiHandler(id: { final: string; prefix?: string }, handle: (params: Params) => boolean): { dispose(): void };
}

/** Above this many UTF-16 units a cell is not text that somebody wrote, but an attack on REP. */
const longCell = 8;

/**
 * Clamps the counts of SU, SD, IL, DL and of the tab movements to what the screen can show (REP: to one screen full), and
 * rewrites the one ED that makes xterm.js throw. Works with any xterm.js 6 terminal, headless or not (anything else is an
 * error); everything else behaves as before. Disposing takes the guards off.
 */
export function clampCsiCounts(terminal: object): Disposable {
  const core = (terminal as { _core?: Core })._core;
  if (core === undefined) throw new TypeError("This is no xterm.js 6 terminal.");
  const registered: { dispose(): void }[] = [];
  // The parser hands its own parameters to a handler of the core: changing them and returning false lets the
  // built-in handler run with the changed ones. The public API gives copies.
  const clamp = (final: string, most: () => number) => {
    registered.push(
      core.registerCsiHandler({ final }, ({ params }) => {
        const count = params[0];
        if (count !== undefined && count > 1) params[0] = Math.min(count, Math.max(1, most()));
        return false;
      }),
    );
  };
  // Loops without a bound in 6.0.0 (and in 6.1 betas): S and T are linear in the count, 2^31 takes hours.
  for (const final of ["S", "T", "L", "M"]) clamp(final, () => core.rows);
  for (const final of ["I", "Z"]) clamp(final, () => core.cols);
  clamp("b", () => {
    const { x, y, ybase, lines } = core.buffer;
    const line = lines.get(ybase + y);
    const units = Math.max(line?.getString(x - 1)?.length ?? 0, x > 1 ? (line?.getString(x - 2)?.length ?? 0) : 0);
    const cells = core.cols * core.rows;
    return units <= longCell ? cells : Math.floor((cells * longCell) / units);
  });
  // ED 1 in the very last cell reads a line behind the buffer and throws; ED 2 does the same to the screen.
  const eraseAbove = ({ params }: Params) => {
    const { x, y } = core.buffer;
    if (params[0] === 1 && y >= core.rows - 1 && x + 1 >= core.cols) params[0] = 2;
    return false;
  };
  registered.push(core.registerCsiHandler({ final: "J" }, eraseAbove));
  registered.push(core.registerCsiHandler({ prefix: "?", final: "J" }, eraseAbove));
  return {
    [Symbol.dispose]() {
      for (const each of registered.splice(0)) each.dispose();
    },
  };
}
