/** The bytes of the log scenario: the same for the process that prints them and for whoever checks them. Pure. */

/** 64 KiB: what a pipe holds. */
const blockBytes = 64 * 1024;

/**
 * Text in blocks, `bytes` in all. Every block begins with its number, so that a lost, repeated or moved one
 * changes the hash; the rest is pseudo-random letters, so that nothing is won by compressing.
 */
export function* logBlocks(bytes: number): Generator<Buffer> {
  const block = Buffer.alloc(blockBytes);
  for (let at = 0, state = 1; at < blockBytes; at += 1) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    block[at] = at % 100 === 99 ? 0x0a : 0x61 + ((state >>> 16) % 26);
  }
  for (let offset = 0, number = 0; offset < bytes; offset += blockBytes, number += 1) {
    block.write(`block ${String(number).padStart(8, "0")} `, 0, "latin1");
    // A copy: whoever gets it may still be writing it when the next one is made.
    yield Buffer.from(block.subarray(0, Math.min(blockBytes, bytes - offset)));
  }
}
