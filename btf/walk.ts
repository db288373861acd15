/**
 * The first pass over a type section: words in host order, and where each type begins. Types are
 * not decoded here.
 *
 * This is what opening the BTF of a kernel costs, so that the pass reads two words a type and
 * checks only that each type lies inside the section; names and references are checked when a type
 * is decoded.
 *
 * @module
 */

import { hostLittleEndian, viewOf } from "../src/bytes.ts";
import { BtfError } from "../src/error.ts";
import { Kind, kindName, MAX_KIND, MAX_VLEN } from "./kind.ts";
import { isNamedKind } from "./names.ts";

/**
 * Words of a type of each kind: `fixed` ones, and `each` for every member; `fixed` 0 marks an
 * unknown kind.
 */
export interface KindSizes {
  readonly fixed: Uint8Array;
  readonly each: Uint8Array;
}

/**
 * Words of struct btf_type, which begins every type: name, info (kind, count, flag), size or type.
 */
export const TYPE_WORDS = 3;

const knownSizes: KindSizes = (() => {
  const fixed = new Uint8Array(MAX_KIND + 1).fill(TYPE_WORDS, Kind.INT, Kind.ENUM64 + 1);
  const each = new Uint8Array(MAX_KIND + 1);
  fixed[Kind.INT] = TYPE_WORDS + 1;
  fixed[Kind.ARRAY] = TYPE_WORDS + 3;
  fixed[Kind.VAR] = TYPE_WORDS + 1;
  fixed[Kind.DECL_TAG] = TYPE_WORDS + 1;
  each[Kind.STRUCT] = 3;
  each[Kind.UNION] = 3;
  each[Kind.ENUM] = 2;
  each[Kind.FUNC_PROTO] = 2;
  each[Kind.DATASEC] = 3;
  each[Kind.ENUM64] = 3;
  return { fixed, each };
})();

/**
 * The sizes of the kinds we know, and of later kinds as `layout` tells them, so that they can be
 * stepped over.
 *
 * `layout` holds a struct btf_layout for each kind: bytes after the common part, bytes of an
 * element, flags.
 */
export function kindSizes(layout: Uint8Array, base: KindSizes | undefined): KindSizes {
  if (layout.length <= 4 * (Kind.ENUM64 + 1)) return base ?? knownSizes;
  const fixed = knownSizes.fixed.slice();
  const each = knownSizes.each.slice();
  for (let kind = Kind.ENUM64 + 1; kind <= MAX_KIND && kind * 4 + 4 <= layout.length; kind++) {
    const info = layout[kind * 4]!;
    const element = layout[kind * 4 + 1]!;
    if (info % 4 !== 0 || element % 4 !== 0) continue;
    fixed[kind] = TYPE_WORDS + info / 4;
    each[kind] = element / 4;
  }
  return { fixed, each };
}

/**
 * The bytes of a type section, all of it 32-bit words, in host order: a view where possible, else a
 * copy.
 */
export function hostWords(types: Uint8Array, littleEndian: boolean): Uint32Array {
  const count = types.length / 4;
  if (littleEndian === hostLittleEndian) {
    const { buffer, byteOffset } = types.byteOffset % 4 === 0 ? types : types.slice();
    return new Uint32Array(buffer, byteOffset, count);
  }
  const view = viewOf(types);
  const words = new Uint32Array(count);
  for (let i = 0; i < count; i++) words[i] = view.getUint32(i * 4, littleEndian);
  return words;
}

/** What the first pass finds. */
export interface Walk {
  /** Where each type begins, as an index of words. */
  readonly offsets: Uint32Array;
  /** Numbers, from 0 on, of the types whose kind can be sought by name. */
  readonly named: Uint32Array;
}

/** In kernels a type takes 6.3 words or more, and one of 6.7 types or more is sought by name. */
const USUAL = { words: 6, named: 6 } as const;

/** Words of a section, such as that of an object, for which room for all types that there can be is no matter. */
const SMALL = 0x1_0000;

/** Steps over all types; throws BtfError when they do not fill the section exactly. */
export function walkTypes(words: Uint32Array, sizes: KindSizes, firstId: number): Walk {
  const { fixed, each } = sizes;
  const end = words.length;
  // Room for as many types as there can be would be 2.1 MB, of which a kernel needs a quarter; V8
  // counts all of it, touched or not, towards the next collection of garbage, which takes 5 ms: of
  // 32 cold runs 24 met one during CO-RE, with this 8. Growing costs 0.2 ms.
  const isSmall = end < SMALL;
  let offsets = new Uint32Array(Math.ceil(end / (isSmall ? TYPE_WORDS : USUAL.words)));
  // Kept here, since a pass of its own over all types would take the name index half as long again.
  let named = new Uint32Array(Math.ceil(offsets.length / (isSmall ? 1 : USUAL.named)));
  let namedCount = 0;
  let count = 0;
  let at = 0;
  while (at + 2 < end) {
    const info = words[at + 1]!;
    const kind = (info >>> 24) & MAX_KIND;
    const size = fixed[kind]!;
    if (size === 0) {
      const id = firstId + count;
      throw new BtfError(`reading BTF: type ${id} is of the unknown ${kindName(kind)}`, {
        typeId: id,
      });
    }
    if (count === offsets.length) offsets = enlarge(offsets);
    if (namedCount === named.length) named = enlarge(named);
    named[namedCount] = count;
    namedCount += isNamedKind[kind]!;
    offsets[count++] = at;
    at += size + each[kind]! * (info & MAX_VLEN);
  }
  if (at !== end) {
    const last = firstId + (at > end ? count - 1 : count);
    throw new BtfError(`reading BTF: type ${last} reaches past the end of the type section`, {
      typeId: last,
    });
  }
  return { offsets: offsets.subarray(0, count), named: named.subarray(0, namedCount) };
}

function enlarge(list: Uint32Array): Uint32Array<ArrayBuffer> {
  const larger = new Uint32Array(list.length * 2);
  larger.set(list);
  return larger;
}
