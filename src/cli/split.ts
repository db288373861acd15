/**
 * Tells whether split BTF was made with the base that it is read with. Nothing in it names its base, and read with another
 * one it would be nonsense in silence: its names would not begin where strings begin.
 *
 * @module
 */

import { type Btf, Kind } from "../../btf/index.ts";
import { BtfError } from "../error.ts";

/** @throws BtfError for types that continue no base, or not the one that they are read with. */
export function requireSplit(btf: Btf, what: string): void {
  // Strings of split BTF go on where the base's end, without an empty one of their own.
  if (btf.strings.bytes[0] === 0) {
    throw new BtfError(`opening BTF of ${what}: it is no split BTF`);
  }
  if (isSplitOf(btf)) return;
  throw new BtfError(
    `opening BTF of ${what}: it is split from the types of another build of a kernel`,
  );
}

const REFERRING: readonly number[] = [
  Kind.PTR,
  Kind.TYPEDEF,
  Kind.VOLATILE,
  Kind.CONST,
  Kind.RESTRICT,
  Kind.FUNC,
  Kind.TYPE_TAG,
];

/** Whether all names of own types begin where a string begins, and all types that they refer to are there. */
function isSplitOf(btf: Btf): boolean {
  for (let id = btf.firstId; id < btf.typeCount; id++) {
    const word = btf.wordOf(id);
    const name = btf.words[word] ?? 0;
    if (name !== 0 && !beginsString(btf, name)) return false;
    if (REFERRING.includes(btf.kind(id)) && (btf.words[word + 2] ?? 0) >= btf.typeCount)
      return false;
  }
  return true;
}

function beginsString(btf: Btf, offset: number): boolean {
  let table: Btf["strings"] | undefined = btf.strings;
  if (offset >= table.end) return false;
  while (offset < table.start && table.base !== undefined) table = table.base;
  return offset === table.start || table.bytes[offset - table.start - 1] === 0;
}
