/**
 * Finds records by offset in lists that are sorted by it.
 *
 * @module
 */

/** Index of the first record at or behind `offset`; the length of the list when there is none. */
export function lowerBound(records: readonly { offset: number }[], offset: number): number {
  let low = 0;
  let high = records.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (records[middle]!.offset < offset) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** The same in a list of offsets alone. */
export function lowerBoundOf(offsets: Uint32Array, offset: number): number {
  let low = 0;
  let high = offsets.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (offsets[middle]! < offset) low = middle + 1;
    else high = middle;
  }
  return low;
}
