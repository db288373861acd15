/**
 * Moves a module's BTF from the base that it brings along to that of a kernel.
 *
 * Modules that are built apart from their kernel have had a distilled base since K 6.11, the section .BTF.base: names and
 * sizes of those types of the kernel that they refer to, without members. With it they fit any build that has such types.
 * What fits is decided as kernels and libbpf decide it (btf_relocate.c), since a kernel that refuses it has the module
 * without types.
 *
 * @module
 */

import { BtfError } from "../src/error.ts";
import { Btf } from "./btf.ts";
import { KIND_FLAG } from "./decode.ts";
import { assemble } from "./header.ts";
import { Kind, kindName, MAX_DEPTH, MAX_VLEN } from "./kind.ts";
import { TYPE_WORDS } from "./walk.ts";

/**
 * The types of `split`, which continue a distilled base, as types that continue `base`: ids and names of the distilled
 * base become those of `base`, own ids follow after them.
 *
 * Throws BtfError when `split` continues nothing or something else than a distilled base, and when `base` has no type
 * like one that the module refers to, or several.
 */
export function relocateBtf(split: Btf, base: Btf): Btf {
  const distilled = split.base;
  if (distilled === undefined) {
    throw new BtfError("moving BTF to another base: it continues none");
  }
  if (base.base !== undefined) {
    throw new BtfError("moving BTF to another base: that base continues another one");
  }
  requireDistilled(distilled);
  if (split.littleEndian !== base.littleEndian) {
    throw new BtfError("moving BTF to another base: that base has the other byte order");
  }
  const { ids, names } = matchTypes(split, distilled, base);
  const words = Uint32Array.from(split.words);
  const moved = base.typeCount - distilled.typeCount;
  const grown = base.strings.end - distilled.strings.end;
  for (let id = split.firstId; id < split.typeCount; id++) {
    for (const at of idWords(split, id)) {
      words[at] = newId(words[at]!, id);
    }
    for (const at of nameWords(split, id)) {
      words[at] = newName(words[at]!, id);
    }
  }
  const blob = assemble(words, split.strings.bytes, split.littleEndian);
  return Btf.parse(blob, { base });

  function newId(to: number, id: number): number {
    if (to >= split.typeCount) {
      throw new BtfError(
        `moving BTF to another base: type ${id} refers to type ${to}, of ${split.typeCount} types`,
        { typeId: id },
      );
    }
    return to < distilled!.typeCount ? ids[to]! : to + moved;
  }

  function newName(offset: number, id: number): number {
    if (offset === 0) return 0;
    if (offset >= distilled!.strings.end) return offset + grown;
    const found = names.get(offset);
    if (found !== undefined) return found;
    throw new BtfError(
      `moving BTF to another base: type ${id} takes a name from offset ${offset} of its base, where no type's name begins`,
      { typeId: id },
    );
  }
}

/** Pairs of types of one name that are compared; kernels need a few hundred. */
const MAX_PAIRS = 1_000_000;

const DISTILLED: readonly number[] = [
  Kind.INT,
  Kind.FLOAT,
  Kind.ENUM,
  Kind.STRUCT,
  Kind.UNION,
  Kind.FWD,
];

/** A distilled base has named types of few kinds, and no base itself. */
function requireDistilled(distilled: Btf): void {
  const refuse = (id: number, what: string): never => {
    throw new BtfError(`moving BTF to another base: type ${id} of its base is ${what}`, {
      typeId: id,
    });
  };
  if (distilled.base !== undefined) {
    throw new BtfError("moving BTF to another base: its base continues another one");
  }
  for (let id = 1; id < distilled.typeCount; id++) {
    const kind = distilled.kind(id);
    if (!DISTILLED.includes(kind)) refuse(id, `of ${kindName(kind)}, as no distilled base has it`);
    if (distilled.name(id) === "") refuse(id, "without a name, as no distilled base has it");
  }
}

/** What takes the place of each type of the distilled base, and of the names that they have. */
interface Matches {
  /** By id. */
  readonly ids: Uint32Array;
  /** Offsets of strings by offsets of strings. */
  readonly names: ReadonlyMap<number, number>;
}

function matchTypes(split: Btf, distilled: Btf, base: Btf): Matches {
  const embedded = embeddedTypes(split, distilled);
  const ids = new Uint32Array(distilled.typeCount);
  const names = new Map<number, number>();
  const found = new Map<string, BaseTypes>();
  let pairs = 0;
  for (let id = 1; id < distilled.typeCount; id++) {
    const name = distilled.name(id);
    let types = found.get(name);
    if (types === undefined) {
      types = typesOf(base, name);
      found.set(name, types);
    }
    pairs += types.ids.length;
    if (pairs > MAX_PAIRS) {
      throw refusal(distilled, id, `more than ${MAX_PAIRS} pairs of types have the same names`);
    }
    for (const candidate of types.ids) {
      // Where one was found, kernels compare no sizes with the next: it makes them several.
      const needsSize = ids[id] === 0 && embedded.has(id);
      if (!isLike(distilled, id, base, candidate, types.compound > 1, needsSize)) continue;
      if (ids[id] !== 0) {
        throw refusal(distilled, id, `the other base has several, as ${ids[id]} and ${candidate}`);
      }
      ids[id] = candidate;
      // Of types with one name that the base has twice, the last one counts.
      names.set(nameOffset(distilled, id), nameOffset(base, candidate));
    }
    if (ids[id] === 0) throw refusal(distilled, id, whyNone(base, types.ids, embedded.has(id)));
  }
  return { ids, names };
}

/** The types of a base that bear a name. */
interface BaseTypes {
  /** Those that a distilled type can stand for, ascending. */
  readonly ids: readonly number[];
  /** How many are structures or unions. */
  readonly compound: number;
}

function typesOf(base: Btf, name: string): BaseTypes {
  const ids = base.findAll(name).filter((id) => {
    const kind = base.kind(id);
    return DISTILLED.includes(kind) || kind === Kind.ENUM64;
  });
  return { ids, compound: ids.filter((id) => isCompound(base.kind(id))).length };
}

function isCompound(kind: number): boolean {
  return kind === Kind.STRUCT || kind === Kind.UNION;
}

/** Whether a type of the base is what a distilled one of the same name stands for. */
function isLike(
  distilled: Btf,
  id: number,
  base: Btf,
  candidate: number,
  several: boolean,
  embedded: boolean,
): boolean {
  const [kind, other] = [distilled.kind(id), base.kind(candidate)];
  const sameSize = distilled.sizeOrType(id) === base.sizeOrType(candidate);
  // A structure may have grown since, unless there are several to tell apart; a declaration has no size.
  const needsSize = isCompound(other) ? several : other !== Kind.FWD;
  if (needsSize && !sameSize) return false;
  switch (kind) {
    case Kind.FWD:
      if (other === Kind.FWD) return hasFlag(distilled, id) === hasFlag(base, candidate);
      // For structures the flag says that there are bitfields; kernels read it as that of declarations all the same.
      if (other === Kind.STRUCT) return !hasFlag(base, candidate);
      return other === Kind.UNION && hasFlag(base, candidate);
    case Kind.INT:
      return other === Kind.INT && encoding(distilled, id) === encoding(base, candidate);
    case Kind.FLOAT:
      return other === Kind.FLOAT;
    case Kind.ENUM:
      // Those of 64 bits are distilled to enumerations that have their size.
      return other === Kind.ENUM || other === Kind.ENUM64;
    default:
      return !embedded || sameSize;
  }
}

/** Distilled structures and unions that are part of own ones, which have room for no other size. */
function embeddedTypes(split: Btf, distilled: Btf): Set<number> {
  const embedded = new Set<number>();
  for (const id of split.idsOf(Kind.STRUCT, Kind.UNION)) {
    for (const at of idWords(split, id)) {
      const part = partOf(split, split.words[at]!);
      if (part < distilled.typeCount && isCompound(split.kind(part))) embedded.add(part);
    }
  }
  return embedded;
}

/** What a member consists of: its type without typedefs, qualifiers and dimensions. */
function partOf(btf: Btf, member: number): number {
  let id = member;
  for (let depth = 0; depth <= MAX_DEPTH; depth++) {
    switch (btf.kind(id)) {
      case Kind.CONST:
      case Kind.RESTRICT:
      case Kind.VOLATILE:
      case Kind.TYPEDEF:
      case Kind.TYPE_TAG:
        id = btf.sizeOrType(id);
        break;
      case Kind.ARRAY: {
        const array = btf.type(id);
        id = array.kind === Kind.ARRAY ? array.element : 0;
        break;
      }
      default:
        return id;
    }
  }
  throw new BtfError(
    `moving BTF to another base: type ${member} is a chain of more than ${MAX_DEPTH} types`,
    { typeId: member },
  );
}

/** Words of an own type that are ids. */
function* idWords(btf: Btf, id: number): Generator<number, void, undefined> {
  const at = btf.wordOf(id);
  const count = btf.words[at + 1]! & MAX_VLEN;
  const first = at + TYPE_WORDS;
  const kind = btf.kind(id);
  switch (kind) {
    case Kind.INT:
    case Kind.ENUM:
    case Kind.ENUM64:
    case Kind.FWD:
    case Kind.FLOAT:
      return;
    case Kind.ARRAY:
      yield first;
      yield first + 1;
      return;
    case Kind.STRUCT:
    case Kind.UNION:
      for (let index = 0; index < count; index++) yield first + 3 * index + 1;
      return;
    case Kind.FUNC_PROTO:
      yield at + 2;
      for (let index = 0; index < count; index++) yield first + 2 * index + 1;
      return;
    case Kind.DATASEC:
      for (let index = 0; index < count; index++) yield first + 3 * index;
      return;
    default:
      if (kind > Kind.ENUM64) {
        throw new BtfError(`moving BTF to another base: type ${id} is of unknown kind ${kind}`, {
          typeId: id,
        });
      }
      yield at + 2;
  }
}

/** Words of an own type that are offsets of strings. */
function* nameWords(btf: Btf, id: number): Generator<number, void, undefined> {
  const at = btf.wordOf(id);
  const count = btf.words[at + 1]! & MAX_VLEN;
  yield at;
  const kind = btf.kind(id);
  const width =
    kind === Kind.STRUCT || kind === Kind.UNION || kind === Kind.ENUM64
      ? 3
      : kind === Kind.ENUM || kind === Kind.FUNC_PROTO
        ? 2
        : 0;
  if (width === 0) return;
  for (let index = 0; index < count; index++) yield at + TYPE_WORDS + width * index;
}

function nameOffset(btf: Btf, id: number): number {
  return btf.words[btf.wordOf(id)]!;
}

function hasFlag(btf: Btf, id: number): boolean {
  return btf.words[btf.wordOf(id) + 1]! >= KIND_FLAG;
}

/** The word that tells sign, bits and offset of an integer. */
function encoding(btf: Btf, id: number): number {
  return btf.words[btf.wordOf(id) + TYPE_WORDS]!;
}

function refusal(distilled: Btf, id: number, found: string): BtfError {
  const kind = kindName(distilled.kind(id));
  const size = distilled.kind(id) === Kind.FWD ? "" : ` of ${distilled.sizeOrType(id)} bytes`;
  return new BtfError(
    `moving BTF to another base: it refers to ${kind} ${distilled.name(id)}${size}: ${found}`,
    { typeId: id },
  );
}

function whyNone(base: Btf, ids: readonly number[], embedded: boolean): string {
  if (ids.length === 0) return "the other base has no such type";
  const found = ids
    .slice(0, 4)
    .map((id) => `${kindName(base.kind(id))} of ${base.sizeOrType(id)} bytes`);
  const why = embedded
    ? ", and it is part of a structure here, so that its size must be the same"
    : "";
  return `the other base has ${found.join(", ")}${why}`;
}
