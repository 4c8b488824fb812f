/** The private fields of xterm.js 6.0.0 that a key frame needs, named once; the key-frame tests are the gate for upgrades. */

/** Cell words as in xterm's BufferLine: content, foreground with flags, background with flags. */
export const cellWord = { size: 3, content: 0, fg: 1, bg: 2 } as const;

export const content = { codePoint: 0x1f_ffff, combined: 0x20_0000, any: 0x3f_ffff, widthShift: 22 } as const;

export const colour = {
  mode: 0x300_0000,
  p16: 0x100_0000,
  p256: 0x200_0000,
  rgb: 0x300_0000,
  value: 0xff_ffff,
} as const;

export const fgFlag = {
  inverse: 0x400_0000,
  bold: 0x800_0000,
  underline: 0x1000_0000,
  blink: 0x2000_0000,
  invisible: 0x4000_0000,
  strikethrough: 0x8000_0000,
} as const;

export const bgFlag = {
  italic: 0x400_0000,
  dim: 0x800_0000,
  extended: 0x1000_0000,
  protected: 0x2000_0000,
  overline: 0x4000_0000,
} as const;

export interface Extended {
  /** Underline style in bits 27-29, underline colour below. */
  readonly _ext: number;
  readonly urlId: number;
}

export interface Attributes {
  readonly fg: number;
  readonly bg: number;
  readonly extended: Extended;
}

export interface Line {
  readonly length: number;
  readonly isWrapped: boolean;
  readonly _data: Uint32Array;
  readonly _extendedAttrs: Readonly<Record<number, Extended | undefined>>;
  getString(column: number): string;
}

export type Charset = Readonly<Record<string, string>> | undefined;

export interface Buffer {
  readonly lines: { readonly length: number; get(index: number): Line | undefined };
  readonly x: number;
  readonly y: number;
  readonly ybase: number;
  readonly scrollTop: number;
  readonly scrollBottom: number;
  readonly tabs: Readonly<Record<number, boolean | undefined>>;
  readonly savedX: number;
  readonly savedY: number;
  readonly savedCurAttrData: Attributes;
  readonly savedCharset: Charset;
  readonly markers: readonly unknown[];
}

/** Gathers what stands between the begin and the end of a sequence. */
export interface PayloadParser {
  put(codePoints: Uint32Array, start: number, end: number): void;
}

export interface Core {
  readonly cols: number;
  readonly rows: number;
  readonly buffers: { readonly normal: Buffer; readonly alt: Buffer; readonly active: Buffer };
  readonly coreService: {
    readonly isCursorHidden: boolean;
    readonly modes: { readonly insertMode: boolean };
    readonly decPrivateModes: {
      readonly applicationCursorKeys: boolean;
      readonly applicationKeypad: boolean;
      readonly bracketedPasteMode: boolean;
      readonly cursorBlink: boolean | undefined;
      readonly cursorStyle: "block" | "underline" | "bar" | undefined;
      readonly origin: boolean;
      readonly reverseWraparound: boolean;
      readonly sendFocus: boolean;
      readonly synchronizedOutput: boolean;
      readonly wraparound: boolean;
    };
  };
  readonly coreMouseService: { readonly activeProtocol: string; readonly activeEncoding: string };
  readonly optionsService: { readonly rawOptions: { readonly convertEol: boolean; readonly cursorBlink: boolean } };
  readonly _charsetService: {
    readonly charset: Charset;
    readonly glevel: number;
    readonly _charsets: readonly Charset[];
  };
  readonly _oscLinkService: { getLinkData(id: number): { readonly id?: string; readonly uri: string } | undefined };
  readonly _inputHandler: {
    readonly _curAttrData: Attributes;
    readonly _windowTitle: string;
    readonly _iconName: string;
    readonly _utf8Decoder: { readonly interim: Uint8Array };
    readonly _parser: {
      readonly currentState: number;
      readonly precedingJoinState: number;
      readonly _oscParser: PayloadParser & { start(): void };
      readonly _dcsParser: PayloadParser & { hook(ident: number, params: unknown): void };
    };
  };
  /** Parses at once; the queue of `write` must be empty. */
  writeSync(bytes: Uint8Array): void;
  resize(cols: number, rows: number): void;
  registerCsiHandler(
    id: { final: string; prefix?: string },
    handle: (params: { readonly params: Int32Array; readonly length: number }) => boolean,
  ): unknown;
  registerEscHandler(id: { final: string }, handle: () => boolean): unknown;
  registerOscHandler(ident: number, handle: (data: string) => boolean): unknown;
}

/** What stands behind a terminal of xterm.js 6 (browser or headless). */
export function coreOf(terminal: object): Core {
  const core = (terminal as { _core?: Core })._core;
  if (core?.buffers === undefined || core._inputHandler === undefined) {
    throw new TypeError("This is no terminal of xterm.js 6.0.0.");
  }
  return core;
}

/** Ground state and no unfinished character: a cut here needs no tail. */
export function isIdle(core: Core): boolean {
  const { _parser, _utf8Decoder } = core._inputHandler;
  return _parser.currentState === 0 && _utf8Decoder.interim[0] === 0;
}

/** Of what was printed last, with its kind and width packed into one number; 0: nothing was. */
export function joinStateOf(core: Core): number {
  return core._inputHandler._parser.precedingJoinState;
}

/** How many columns that took. */
export function joinWidthOf(core: Core): number {
  return (joinStateOf(core) >> 1) & 3;
}

/** Far above every title, colour and link that is kept. */
const maxPayload = 64 * 1024;

/** An OSC or DCS that goes on beyond 64 Ki characters is cut there: xterm.js itself gathers ten million of them first. */
export function limitPayloads(core: Core): void {
  const { _oscParser: osc, _dcsParser: dcs } = core._inputHandler._parser;
  const [renewOsc, renewDcs] = [limitPut(osc), limitPut(dcs)];
  const { start } = osc;
  osc.start = () => {
    renewOsc();
    start.call(osc);
  };
  const { hook } = dcs;
  dcs.hook = (ident, params) => {
    renewDcs();
    hook.call(dcs, ident, params);
  };
}

/** Gives back what begins the count anew. */
function limitPut(parser: PayloadParser): () => void {
  const { put } = parser;
  let left = maxPayload;
  parser.put = (codePoints, start, end) => {
    const stop = Math.min(end, start + left);
    left -= Math.max(0, stop - start);
    if (stop > start) put.call(parser, codePoints, start, stop);
  };
  return () => {
    left = maxPayload;
  };
}
