/**
 * Types that no compiler makes: circles, abysses, crowds. Each is up to a megabyte, unless a few words say it all.
 *
 * @module
 */

import { Kind } from "../../btf/index.ts";
import { info, rawBtf } from "../btf/raw.ts";

/** How many types a circle or an abyss has: each is asked about, and complaining of it takes longest. */
const MANY = 10_000;

/** Words of the type section from types, each a list of words. */
type Words = number[][];

const NAME = 1;
const STRINGS = "\0t\0m\0int\0";
const MEMBER = 3;
const INT_NAME = 5;

function typedef(type: number): number[] {
  return [NAME, info(Kind.TYPEDEF), type];
}

function pointer(type: number): number[] {
  return [0, info(Kind.PTR), type];
}

function array(element: number, length: number): number[] {
  return [0, info(Kind.ARRAY), 0, element, 1, length];
}

/** A structure of one member. */
function struct(name: number, member: number, type: number, size = 8): number[] {
  return [name, info(Kind.STRUCT, 1), size, member, type, 0];
}

const int = [INT_NAME, info(Kind.INT), 4, 32];

function times(count: number, make: (index: number) => number[]): Words {
  return Array.from({ length: count }, (_, index) => make(index));
}

function blob(types: Words, strings: string | Uint8Array = STRINGS): Uint8Array {
  return rawBtf({ types: types.flat(), strings });
}

/** Ids that come round: the last refers to the first. Id 1 is an integer. */
function ring(count: number, make: (type: number) => number[]): Uint8Array {
  return blob([int, ...times(count, (index) => make(index + 1 < count ? index + 3 : 2))]);
}

/** Ids one behind the other, the last one an integer. */
function chain(count: number, make: (type: number) => number[]): Uint8Array {
  return blob([int, ...times(count, (index) => make(index === 0 ? 1 : index + 1))]);
}

/** Members one after another, all of one type. */
function wide(count: number, name: number, type: number): number[] {
  const members = times(count, (index) => [name, type, (index * 32) % 0xffff_ffe0]);
  return [NAME, info(Kind.STRUCT, count), 0x1000_0000, ...members.flat()];
}

/** Names `a0`, `a1`… one after another, and where each begins. */
function manyNames(count: number): { strings: string; offsets: number[] } {
  const offsets: number[] = [];
  let strings = STRINGS;
  for (let index = 0; index < count; index++) {
    offsets.push(strings.length);
    strings += `a${index}\0`;
  }
  return { strings, offsets };
}

/** The blobs by name, made when they are asked for; id 2 is where each begins. */
export const btfShapes: Readonly<Record<string, () => Uint8Array>> = {
  "typedef of itself": () => blob([int, typedef(2)]),
  "typedefs in a ring": () => ring(MANY, typedef),
  "two typedefs of each other": () => ring(2, typedef),
  "qualifiers in a ring": () => blob([int, [0, info(Kind.CONST), 3], [0, info(Kind.VOLATILE), 2]]),
  "pointer to itself": () => blob([int, pointer(2)]),
  "pointers in a ring": () => ring(MANY, pointer),
  "structure that holds itself": () => blob([int, struct(NAME, MEMBER, 2)]),
  "anonymous structure that holds itself": () => blob([int, struct(NAME, 0, 2)]),
  "structures in a ring": () => ring(MANY, (type) => struct(NAME, 0, type)),
  "array of itself": () => blob([int, array(2, 2)]),
  "arrays in a ring": () => ring(MANY, (type) => array(type, 1)),
  "array of the structure that holds it": () => blob([int, struct(NAME, MEMBER, 3), array(2, 1)]),
  "prototype that returns and takes itself": () =>
    blob([int, [0, info(Kind.FUNC_PROTO, 2), 2, NAME, 2, 0, 2]]),
  "function whose prototype is itself": () => blob([int, [NAME, info(Kind.FUNC, 1), 2]]),
  "variable of itself": () => blob([int, [NAME, info(Kind.VAR), 2, 1]]),
  "section that lists itself": () => blob([int, [NAME, info(Kind.DATASEC, 1), 8, 2, 0, 8]]),
  "tags in a ring": () => ring(MANY, (type) => [NAME, info(Kind.DECL_TAG), type, 0]),
  "typedefs of others, deep": () => chain(MANY, typedef),
  "pointers of others, deep": () => chain(MANY, pointer),
  "arrays of others, deep": () => chain(MANY, (type) => array(type, 1)),
  "structures of others, deep": () => chain(MANY, (type) => struct(NAME, MEMBER, type)),
  "anonymous structures of others, deep": () => chain(MANY, (type) => struct(0, 0, type)),
  "prototypes of others, deep": () =>
    chain(MANY, (type) => [0, info(Kind.FUNC_PROTO, 1), type, NAME, type]),
  "each structure holds the one before twice": () =>
    chain(64, (type) => [0, info(Kind.STRUCT, 2), 8, 0, type, 0, 0, type, 0]),
  "each prototype takes the one before twice": () =>
    chain(64, (type) => [0, info(Kind.FUNC_PROTO, 2), type, 0, type, 0, type]),
  "arrays of arrays of 2^32": () => chain(64, (type) => array(type, 0xffff_ffff)),
  "65,535 members": () => blob([int, wide(65_535, MEMBER, 1)]),
  "87,000 members": () => blob([int, wide(87_000, MEMBER, 1)]),
  "16 structures of 5,000 members": () => blob([int, ...times(16, () => wide(5000, MEMBER, 1))]),
  "a thousand members that are structures of a thousand": () =>
    blob([int, ...times(80, (index) => wide(1000, 0, index === 0 ? 1 : index + 1))]),
  "more members than there are": () => blob([int, [NAME, info(Kind.STRUCT, 0xffff), 8, 0, 1, 0]]),
  "16,000,000 members claimed": () => blob([int, [NAME, info(Kind.STRUCT, 0xff_ffff), 8, 0, 1, 0]]),
  "100,000 enumerators of one name": () =>
    blob([int, [NAME, info(Kind.ENUM, 100_000), 4, ...times(100_000, () => [MEMBER, 7]).flat()]]),
  "80,000 types of one name": () => blob([int, ...times(80_000, () => typedef(1))]),
  "names past the end": () =>
    blob([int, ...times(1000, (index) => [0x7fff_ff00 + index, info(Kind.TYPEDEF), 1])]),
  "types past the end": () => blob([int, ...times(MANY, (index) => typedef(0xfff_ffff + index))]),
  "members past the end": () =>
    blob([
      int,
      [NAME, info(Kind.STRUCT, 2), 4, 0xffff_fff0, 1, 0, MEMBER, 0xfff_ffff, 0xffff_ffff],
    ]),
  "names of a megabyte": () =>
    blob(
      [int, ...times(2000, (index) => [9 + index, info(Kind.TYPEDEF), 1])],
      `${STRINGS}${"x".repeat(1 << 20)}\0`,
    ),
  "40,000 names": () => {
    const { strings, offsets } = manyNames(40_000);
    return blob([int, ...offsets.map((offset) => [offset, info(Kind.TYPEDEF), 1])], strings);
  },
  "kinds of the future": () => blob([int, [NAME, info(50, 3), 8]]),
  "types section that claims all": () =>
    rawBtf({ types: int, strings: STRINGS, header: { typeLength: 0xffff_fffc } }),
  "strings that begin in the types": () =>
    rawBtf({ types: int, strings: STRINGS, header: { stringOffset: 0 } }),
  "header as long as the file": () =>
    rawBtf({ types: int, strings: STRINGS, header: { length: 24 + 16 + STRINGS.length } }),
};
