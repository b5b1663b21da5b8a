/** Where characters begin and end in UTF-8 bytes. Pure arithmetic on bytes; decodes nothing. */

const isContinuation = (byte: number): boolean => (byte & 0xc0) === 0x80;

/** Bytes at the beginning that belong to a character cut before it: 0 to 3. */
export function startOfText(bytes: Uint8Array): number {
  let at = 0;
  while (at < 3 && at < bytes.length && isContinuation(bytes[at]!)) at += 1;
  return at;
}

/** Bytes at the end that begin a character which is not complete yet: 0 to 3. */
export function incompleteEnd(bytes: Uint8Array): number {
  for (let back = 1; back <= 3 && back <= bytes.length; back += 1) {
    const byte = bytes[bytes.length - back]!;
    if (isContinuation(byte)) continue;
    const size = byte >= 0xf0 && byte < 0xf8 ? 4 : byte >= 0xe0 ? 3 : byte >= 0xc0 ? 2 : 1;
    return byte < 0xf8 && size > back ? back : 0;
  }
  return 0;
}
