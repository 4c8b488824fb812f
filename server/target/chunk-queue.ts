/** Output that waits for its reader: chunks in order, small ones joined, so that memory follows bytes and not packets. */

export interface ChunkQueue {
  readonly bytes: number;
  readonly empty: boolean;
  /** Keeps the chunk, without a copy unless it is small and many wait already. */
  push(chunk: Uint8Array): void;
  /** The next chunk, made of as many waiting ones as fit in `maxBytes`; undefined when nothing waits. */
  shift(maxBytes: number): Uint8Array | undefined;
  clear(): void;
}

const joinFromChunks = 16;
const joinUpToBytes = 1_024; // 1 KiB
const joinedBytes = 4_096; // 4 KiB

/** Unbounded: who pushes looks at `bytes`. */
export function createChunkQueue(): ChunkQueue {
  let chunks: Uint8Array[] = [];
  let bytes = 0;
  // Two million packets of one byte fit an SSH window, and would take 100 bytes of memory each.
  let tail: Buffer = Buffer.alloc(0);
  let tailBytes = 0;
  let tailChunk: Uint8Array | undefined;
  const join = (chunk: Uint8Array) => {
    if (chunks.at(-1) !== tailChunk || tailBytes + chunk.length > tail.length) {
      tail = Buffer.allocUnsafeSlow(joinedBytes);
      tailBytes = 0;
      chunks.push(tail);
    }
    tail.set(chunk, tailBytes);
    tailBytes += chunk.length;
    tailChunk = tail.subarray(0, tailBytes);
    chunks[chunks.length - 1] = tailChunk;
  };
  return {
    get bytes() {
      return bytes;
    },
    get empty() {
      return chunks.length === 0;
    },
    push(chunk) {
      if (chunks.length < joinFromChunks || chunk.length > joinUpToBytes) chunks.push(chunk);
      else join(chunk);
      bytes += chunk.length;
    },
    shift(maxBytes) {
      const first = chunks[0];
      if (first === undefined) return undefined;
      let count = 1;
      let taken = first.length;
      for (let next = chunks[count]; next !== undefined && taken + next.length <= maxBytes; next = chunks[++count]) {
        taken += next.length;
      }
      const parts = chunks.splice(0, count);
      bytes -= taken;
      // The copy costs less than the reader's work for each small chunk.
      return count === 1 ? first : Buffer.concat(parts, taken);
    },
    clear() {
      chunks = [];
      bytes = 0;
      tail = Buffer.alloc(0);
    },
  };
}
