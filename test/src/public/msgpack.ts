// As much of msgpack as a wake and its verdict need, written from the format's specification: what a client in any language has.

/** A map of short texts. */
export function packMap(map: Record<string, string>): Uint8Array {
  const text = (value: string): Buffer => {
    const bytes = Buffer.from(value);
    return bytes.length < 32
      ? Buffer.concat([Buffer.from([0xa0 | bytes.length]), bytes])
      : Buffer.concat([Buffer.from([0xd9, bytes.length]), bytes]);
  };
  const entries = Object.entries(map);
  return Buffer.concat([
    Buffer.from([0x80 | entries.length]),
    ...entries.flatMap(([key, value]) => [text(key), text(value)]),
  ]);
}

/** Any value without extension types. */
export function unpack(bytes: Uint8Array): unknown {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let at = 0;
  const number = (size: number, read: () => number | bigint): number => {
    const value = Number(read());
    at += size;
    return value;
  };
  const text = (length: number): string => {
    at += length;
    return Buffer.from(bytes.subarray(at - length, at)).toString();
  };
  const list = (length: number): unknown[] => Array.from({ length }, () => next());
  const map = (length: number): Record<string, unknown> =>
    Object.fromEntries(Array.from({ length }, () => [String(next()), next()]));
  const next = (): unknown => {
    const type = view.getUint8(at++);
    if (type < 0x80) return type;
    if (type < 0x90) return map(type & 0x0f);
    if (type < 0xa0) return list(type & 0x0f);
    if (type < 0xc0) return text(type & 0x1f);
    if (type >= 0xe0) return type - 256;
    switch (type) {
      case 0xc0:
        return null;
      case 0xc2:
        return false;
      case 0xc3:
        return true;
      case 0xca:
        return number(4, () => view.getFloat32(at));
      case 0xcb:
        return number(8, () => view.getFloat64(at));
      case 0xcc:
        return number(1, () => view.getUint8(at));
      case 0xcd:
        return number(2, () => view.getUint16(at));
      case 0xce:
        return number(4, () => view.getUint32(at));
      case 0xcf:
        return number(8, () => view.getBigUint64(at));
      case 0xd0:
        return number(1, () => view.getInt8(at));
      case 0xd1:
        return number(2, () => view.getInt16(at));
      case 0xd2:
        return number(4, () => view.getInt32(at));
      case 0xd3:
        return number(8, () => view.getBigInt64(at));
      case 0xd9:
        return text(number(1, () => view.getUint8(at)));
      case 0xda:
        return text(number(2, () => view.getUint16(at)));
      case 0xdc:
        return list(number(2, () => view.getUint16(at)));
      case 0xde:
        return map(number(2, () => view.getUint16(at)));
      default:
        throw new Error(`msgpack type ${type.toString(16)} is not expected here`);
    }
  };
  return next();
}
