/**
 * Compares CO-RE relocation with libbpf's on random types, random changes to them and random
 * questions.
 *
 * ```
 * node dist/test/differential/fuzz.js [--libbpf PREFIX] SEED COUNT
 * ```
 *
 * COUNT objects are made from SEED on, each relocated against a mutated copy of its own types.
 * Needs what run.ts needs. Objects with a difference are left in the temporary folder.
 *
 * @module
 */

import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Btf, BtfBuilder, Kind, type NewType } from "../../btf/index.ts";
import {
  CoreKind,
  type CoreQuestion,
  CoreTarget,
  computeRelocation,
} from "../../src/co-re/index.ts";
import { parseObject } from "../../src/spec/index.ts";
import { type BuiltProgram, buildObject, instruction, loadImm64 } from "../co-re/object-builder.ts";
import { Random } from "../helper/random.ts";
import { CORE, compile } from "./harness.ts";
import { compareObject, newCounts, summary } from "./libbpf.ts";

const memberNames = ["a", "b", "c", "d", "e", "f___x", "f", "a___1"];
const rootNames = ["s", "t", "u", "s___one", "s___two", "t___old", "u___"];
const enumNames = ["A", "B", "C", "D", "A___1", "B___old"];
const sizes = [1, 2, 4, 8];

/** Types as a list that can be changed before it is written; index 0 is id 1. */
type Types = NewType[];

/** A random type that refers to types up to `count`, or anywhere by pointer. */
function randomType(random: Random, count: number, total: number): NewType {
  const any = (): number => random.next(count + 1);
  const kind = random.next(100);
  if (kind < 18) return randomInt(random);
  if (kind < 26) return { kind: Kind.PTR, type: random.next(total + 1) };
  if (kind < 33) return { kind: Kind.ARRAY, element: any(), index: 1, length: random.next(4) };
  if (kind < 65) return randomStruct(random, count);
  if (kind < 72) return randomEnum(random);
  if (kind < 77) return { kind: Kind.FWD, name: random.pick(rootNames), union: random.chance(50) };
  if (kind < 84) return { kind: Kind.TYPEDEF, name: random.pick(rootNames), type: any() };
  if (kind < 87) return { kind: Kind.CONST, type: any() };
  if (kind < 89) return { kind: Kind.VOLATILE, type: any() };
  if (kind < 90) return { kind: Kind.RESTRICT, type: any() };
  if (kind < 91) return { kind: Kind.TYPE_TAG, name: "tag", type: any() };
  if (kind < 94) return { kind: Kind.FLOAT, name: "float", size: random.pick([4, 8]) };
  const parameters = Array.from({ length: random.next(4) }, () => ({ name: "p", type: any() }));
  return { kind: Kind.FUNC_PROTO, returns: any(), parameters };
}

function randomInt(random: Random): NewType {
  const size = random.pick(sizes);
  const name = random.pick(["int", "char", "u"]);
  const signed = random.chance(50);
  const [char, bool] = [random.chance(10), random.chance(10)];
  const bitOffset = random.chance(5) ? 3 : 0;
  return { kind: Kind.INT, name, size, signed, char, bool, bitOffset, bits: size * 8 };
}

function randomStruct(random: Random, count: number): NewType {
  const bitfields = random.chance(25);
  const members = Array.from({ length: random.next(6) }, () => ({
    name: random.chance(25) ? "" : random.pick(memberNames),
    type: 1 + random.next(Math.max(count, 1)),
    bitOffset: bitfields ? random.next(200) : random.next(40) * 8,
    bitSize: bitfields && random.chance(60) ? 1 + random.next(40) : 0,
  }));
  const name = random.chance(25) ? "" : random.pick(rootNames);
  const kind = random.chance(75) ? Kind.STRUCT : Kind.UNION;
  return { kind, name, size: random.next(64), members };
}

function randomEnum(random: Random): NewType {
  const name = random.chance(20) ? "" : random.pick(rootNames);
  const signed = random.chance(50);
  const names = Array.from({ length: random.next(5) }, () => random.pick(enumNames));
  if (random.chance(60)) {
    const values = names.map((name) => {
      const value = random.chance(30) ? 0xffff_fff0 + random.next(16) : random.next(100);
      return { name, value: signed ? value | 0 : value };
    });
    return { kind: Kind.ENUM, name, size: random.pick(sizes), signed, values };
  }
  const values = names.map((name) => {
    const value = (BigInt(random.next(3)) << 62n) | BigInt(random.next(100));
    return { name, value: signed ? BigInt.asIntN(64, value) : value };
  });
  return { kind: Kind.ENUM64, name, size: 8, signed, values };
}

/** The type that tells the size of pointers: 8 bytes in BPF objects, maybe 4 in a kernel. */
function long(size: number): NewType {
  const name = "long unsigned int";
  const signs = { signed: false, char: false, bool: false };
  return { kind: Kind.INT, name, size, ...signs, bitOffset: 0, bits: size * 8 };
}

function randomTypes(random: Random): Types {
  const total = 10 + random.next(25);
  const types: Types = [long(8)];
  while (types.length < total) types.push(randomType(random, types.length, total));
  return types;
}

/** What another kernel may have made of the types: the ids stay, so that references do. */
function mutate(random: Random, types: Types): Types {
  const mutated = types.map((type, index): NewType => {
    if (index === 0) return long(random.chance(30) ? 4 : 8);
    if (!random.chance(30)) return type;
    switch (type.kind) {
      case Kind.STRUCT:
      case Kind.UNION:
        return mutateStruct(random, type, index);
      case Kind.INT:
      case Kind.ENUM:
      case Kind.ENUM64:
        return type.kind === Kind.INT
          ? randomInt(random)
          : ({ ...randomEnum(random), name: type.name ?? "" } as NewType);
      case Kind.ARRAY:
        return { ...type, length: random.next(4) };
      default:
        return random.chance(30) ? randomType(random, index, types.length) : type;
    }
  });
  // Further types of the same names, so that there is a choice.
  const more = random.next(6);
  for (let i = 0; i < more; i++) {
    const type = random.pick(types);
    const again = random.chance(50) ? type : randomType(random, types.length, types.length);
    mutated.push(again.name === undefined || !random.chance(50) ? again : flavoured(again));
  }
  return mutated;
}

function flavoured(type: NewType): NewType {
  return type.name === undefined || type.name === ""
    ? type
    : { ...type, name: `${type.name}___new` };
}

function mutateStruct(
  random: Random,
  type: Extract<NewType, { kind: typeof Kind.STRUCT | typeof Kind.UNION }>,
  index: number,
): NewType {
  let members = type.members.filter(() => random.chance(90));
  if (random.chance(50)) members = members.toReversed();
  members = members.map((member) => {
    if (random.chance(70)) return member;
    const bitOffset = member.bitOffset + 8 * random.next(8);
    const resized = member.bitSize > 0 ? 1 + random.next(40) : 0;
    const retyped = random.chance(20) ? 1 + random.next(Math.max(index, 1)) : member.type;
    return { ...member, bitOffset, bitSize: resized, type: retyped };
  });
  const kind = random.chance(90) ? type.kind : Kind.UNION;
  return { ...type, kind, members, size: random.chance(50) ? type.size : random.next(64) };
}

function build(types: Types): BtfBuilder {
  const builder = new BtfBuilder();
  for (const type of types) builder.add(safe(type, types));
  return builder;
}

/**
 * Takes out what C forbids and libbpf gets wrong: it divides by the size of a bitfield's type,
 * which must be an integer or enumeration then, and where a name stands twice in a structure, the
 * offset of the first may be left in that of the second.
 */
function safe(type: NewType, types: Types): NewType {
  if (type.kind !== Kind.STRUCT && type.kind !== Kind.UNION) return type;
  const taken = new Set<string>();
  const members = type.members.map((member, index) => {
    const { kind } = types[member.type - 1] ?? {};
    const sized = kind === Kind.INT || kind === Kind.ENUM || kind === Kind.ENUM64;
    const bitSize = sized ? member.bitSize : 0;
    const names = member.name === "" ? namesIn(member.type, types, 0) : [member.name];
    const clash = names.some((name) => taken.has(name)) || names.length !== new Set(names).size;
    for (const name of names) taken.add(name);
    return { ...member, bitSize, name: clash ? `unique${index}` : member.name };
  });
  return { ...type, members };
}

/** The names that an anonymous member of type `id` brings in. */
function namesIn(id: number, types: Types, depth: number): string[] {
  const type = types[id - 1];
  if (type === undefined || depth === 64) return [];
  if (type.kind === Kind.STRUCT || type.kind === Kind.UNION) {
    return type.members.flatMap(({ name, type }) =>
      name === "" ? namesIn(type, types, depth + 1) : [name],
    );
  }
  const behind =
    type.kind === Kind.TYPEDEF || type.kind === Kind.CONST || type.kind === Kind.VOLATILE;
  return behind || type.kind === Kind.RESTRICT || type.kind === Kind.TYPE_TAG
    ? namesIn(type.type, types, depth + 1)
    : [];
}

/** An accessor that mostly fits the types. */
function randomAccessor(random: Random, btf: Btf, root: number, kind: number): string {
  const type = kind === CoreKind.TYPE_MATCHES || (kind >= 6 && kind <= 9);
  if (type) return random.chance(97) ? "0" : "0:0";
  if (kind === CoreKind.ENUMVAL_EXISTS || kind === CoreKind.ENUMVAL_VALUE)
    return `${random.next(5)}`;
  const steps = [random.chance(80) ? 0 : random.next(3)];
  let id = root;
  while (random.chance(85) && steps.length < 70) {
    const current = btf.type(id);
    if (current.kind === Kind.STRUCT || current.kind === Kind.UNION) {
      const index = random.next(current.members.length + (random.chance(3) ? 1 : 0) || 1);
      steps.push(index);
      id = current.members[index]?.type ?? 0;
    } else if (current.kind === Kind.ARRAY) {
      steps.push(random.next(random.chance(20) ? 6 : Math.max(current.length, 1)));
      id = current.element;
    } else if ("type" in current && current.kind !== Kind.PTR) id = current.type;
    else break;
  }
  return steps.join(":");
}

/** A question that mostly makes sense in the object's own types. */
function randomQuestion(random: Random, btf: Btf, roots: readonly number[]): CoreQuestion {
  for (let attempt = 0; ; attempt++) {
    const type = random.chance(99) ? random.pick(roots) : 0;
    const kind = random.next(random.chance(2) ? 15 : 13);
    const question = { type, accessor: randomAccessor(random, btf, type, kind), kind };
    const { localValue } = computeRelocation(btf, question, new CoreTarget(btf));
    if (localValue !== undefined || attempt === 20 || random.chance(1)) return question;
  }
}

function randomPrograms(random: Random, btf: Btf): BuiltProgram[] {
  const target = new CoreTarget(btf);
  const roots: number[] = [];
  for (let id = 1; id < btf.typeCount; id++) {
    // Tags have names too, but no compiler makes one a root, and our name index leaves them out.
    if (btf.name(id) !== "" && btf.kind(id) !== Kind.TYPE_TAG) roots.push(id);
  }
  return Array.from({ length: 12 }, (_, index) => {
    const parts: Uint8Array[] = [];
    const relocations: BuiltProgram["relocations"][number][] = [];
    let slot = 0;
    for (let n = 1 + random.next(3); n > 0; n--) {
      const question = randomQuestion(random, btf, roots);
      const { localValue = 7, localSize } = computeRelocation(btf, question, target);
      // Mostly what the compiler would put there; otherwise both sides must refuse it.
      const value = random.chance(98) ? BigInt(localValue) : BigInt(random.next(100));
      const part = randomInstruction(random, value, localSize);
      relocations.push({ slot, ...question });
      parts.push(part);
      slot += part.length / 8;
    }
    const instructions = Uint8Array.from(parts.flatMap((part) => [...part]));
    return { name: `program_${index}`, instructions, relocations };
  });
}

const sizeBits: Readonly<Record<number, number>> = { 1: 0x10, 2: 0x08, 4: 0x00, 8: 0x18 };

function randomInstruction(random: Random, value: bigint, size: number): Uint8Array {
  const imm = Number(BigInt.asIntN(32, value));
  const offset = Number(BigInt.asIntN(16, value));
  const bits = sizeBits[random.chance(90) ? size : 4] ?? 0x18;
  switch (random.next(20)) {
    case 0:
    case 1:
    case 2:
      return loadImm64(value);
    case 3:
      return instruction(0x61 | bits, 0x21, offset, 0);
    case 4:
      return instruction(0x63 | bits, 0x21, offset, 0);
    case 5:
      return instruction(0x62 | bits, 0x01, offset, 99);
    case 6:
      return instruction(0x07, 0x01, 0, imm);
    case 7:
      return instruction(random.pick([0xb4, 0x0f, 0x05, 0x85, 0x95, 0x20]), 0x01, 0, imm);
    default:
      return instruction(0xb7, 0x01, 0, imm);
  }
}

const options = process.argv.slice(2);
let prefix = "/usr";
if (options[0] === "--libbpf") [, prefix = prefix] = options.splice(0, 2);
const [seed = Number.NaN, count = Number.NaN] = options.map(Number);
if (!Number.isInteger(seed) || !Number.isInteger(count)) {
  process.stderr.write("usage: fuzz.js [--libbpf PREFIX] SEED COUNT\n");
  process.exit(2);
}
const counts = newCounts();
const folder = mkdtempSync(join(tmpdir(), "ebpf-fuzz-"));
const objectPath = join(folder, "object.o");
const btfPath = join(folder, "target.btf");
const harness = compile(CORE, folder, prefix);
for (let at = seed; at < seed + count; at++) {
  const random = new Random(at);
  const types = randomTypes(random);
  const local = build(types);
  const bytes = buildObject(local, randomPrograms(random, local.btf()));
  const targetBytes = build(mutate(random, types)).bytes();
  writeFileSync(objectPath, bytes);
  writeFileSync(btfPath, targetBytes);
  const object = { path: objectPath, name: `seed ${at}`, spec: parseObject(bytes) };
  const kernel = {
    path: btfPath,
    target: new CoreTarget(Btf.parse(targetBytes), { name: "target" }),
  };
  const before = counts.differences;
  compareObject(harness, object, kernel, counts, (text) => process.stdout.write(`${text}\n`));
  if (counts.differences > before) {
    copyFileSync(objectPath, join(tmpdir(), `ebpf-fuzz-${at}.o`));
    copyFileSync(btfPath, join(tmpdir(), `ebpf-fuzz-${at}.btf`));
  }
}
rmSync(folder, { recursive: true });
process.stdout.write(`${summary(counts)}\n`);
process.exitCode = counts.differences > 0 ? 1 : 0;
