/**
 * What the objects of this project ask of a kernel's types: CO-RE relocations, kernel symbols, attach targets, struct_ops.
 *
 * The reduced kernels among the fixtures hold what these questions read, and no more.
 *
 * @module
 */

import { readdirSync, readFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { type Btf, Kind } from "../../btf/index.ts";
import { typesCompatible } from "../../src/co-re/compatible.ts";
import { TypeReader } from "../../src/co-re/type-reader.ts";
import { BpfError } from "../../src/error.ts";
import { type CheckReport, check } from "../../src/report/index.ts";
import { type ObjectSpec, parseObject } from "../../src/spec/index.ts";

/** An object and its spec. */
export interface NamedObject {
  path: string;
  name: string;
  spec: ObjectSpec;
}

const FIXTURES = dirname(fileURLToPath(import.meta.resolve("#fixtures/Makefile")));
const FOLDERS = [FIXTURES, join(FIXTURES, "co-re"), join(FIXTURES, "../examples/execsnoop")];

/** Objects of the project in one or both byte orders (`el`, `eb`); those that we refuse are left out. */
export function projectObjects(orders: readonly string[]): NamedObject[] {
  const paths = FOLDERS.flatMap((folder) => readdirSync(folder).map((name) => join(folder, name)))
    .filter((path) => path.endsWith(".o"))
    .filter((path) => !/\.e[lb]\.o$/.test(path) || orders.includes(path.slice(-4, -2)));
  return readObjects(paths.sort());
}

/** Reads objects; those that we refuse are left out. */
export function readObjects(paths: readonly string[]): NamedObject[] {
  return paths.flatMap((path) => {
    try {
      return [{ path, name: basename(path), spec: parseObject(readFileSync(path)) }];
    } catch (error) {
      if (!(error instanceof BpfError)) throw error;
      return [];
    }
  });
}

/** Asks a kernel's types all that the objects ask; the report of their relocations. */
export function askAll(btf: Btf, objects: readonly NamedObject[]): CheckReport {
  const specs = objects.map(({ spec }) => spec);
  const report = check(specs, [{ name: "kernel", btf }], { instructions: true });
  for (const spec of specs) askForNames(btf, spec);
  // Sizes of pointers are taken from this.
  void btf.pointerSize;
  return report;
}

/** Prefixes of kernel types that stand for an attach target (libbpf's `find_attach_btf_id`), and none. */
const PREFIXES = ["", "bpf_lsm_", "btf_trace_", "bpf_iter_"];

/** Kernel functions and variables, attach targets and struct_ops by name, with their signatures; those that are there, for comparison. */
export function askForNames(btf: Btf, spec: ObjectSpec): string[] {
  const answers: string[] = [];
  const say = (name: string, id: number | undefined): void => {
    if (id !== undefined) answers.push(`${name}: ${signature(btf, id, 0)}`);
  };
  for (const { attachTo, attachBtf } of Object.values(spec.programs)) {
    if (!attachBtf) continue;
    for (const prefix of PREFIXES) {
      const kind = prefix === "btf_trace_" ? Kind.TYPEDEF : Kind.FUNC;
      say(`target ${prefix}${attachTo}`, btf.find(prefix + attachTo, kind));
    }
  }
  for (const { name, kind, type } of spec.ksyms) {
    if (kind === "untyped") continue;
    const id = btf.find(name, kind === "function" ? Kind.FUNC : Kind.VAR);
    say(`${kind} ${name}`, id);
    if (id !== undefined) answers.push(`fits: ${fits(spec.btf, type, btf, id)}`);
  }
  for (const name of structOps(spec.btf)) {
    const [id] = btf.findAll(name, Kind.STRUCT);
    say(`struct_ops ${name}`, id);
    say(`struct_ops value ${name}`, btf.findAll(`bpf_struct_ops_${name}`, Kind.STRUCT)[0]);
  }
  return answers;
}

/** Whether a symbol is in the kernel what the object declares. */
function fits(local: Btf | undefined, type: number, kernel: Btf, id: number): boolean {
  const [ours, theirs] = [local?.type(type), kernel.type(id)];
  if (local === undefined || ours === undefined) return false;
  const [a, b] = ["type" in ours ? ours.type : 0, "type" in theirs ? theirs.type : 0];
  return typesCompatible(new TypeReader(local), a, new TypeReader(kernel), b);
}

/** Names of the kernel's structures whose members are programs, as far as the object fills any. */
function structOps(btf: Btf | undefined): string[] {
  if (btf === undefined) return [];
  return [".struct_ops", ".struct_ops.link"].flatMap((section) => {
    const id = btf.find(section, Kind.DATASEC);
    const type = id === undefined ? undefined : btf.type(id);
    if (type?.kind !== Kind.DATASEC) return [];
    return type.variables.map((variable) => {
      const declared = btf.type(variable.type);
      return "type" in declared ? btf.name(declared.type).split("___")[0]! : "";
    });
  });
}

/** Levels of structures that a signature shows: struct_ops, and their wrapper in the kernel. */
const LEVELS = 2;

/** A type in words, through pointers and prototypes, to the names of structures; of struct_ops, the members too. */
function signature(btf: Btf, id: number, depth: number): string {
  const type = btf.type(id);
  const inner = (next: number): string => signature(btf, next, depth + 1);
  switch (type.kind) {
    case Kind.STRUCT:
    case Kind.UNION: {
      const own = `struct ${type.name} of ${type.size}`;
      if (depth >= LEVELS) return own;
      const members = type.members.map(
        (member) => `${member.name}@${member.bitOffset}: ${signature(btf, member.type, LEVELS)}`,
      );
      return `${own} { ${members.join("; ")} }`;
    }
    case Kind.FUNC_PROTO:
      return `${inner(type.returns)} (${type.parameters.map((one) => inner(one.type)).join(", ")})`;
    case Kind.PTR:
      return depth > LEVELS + 4 ? "pointer" : `pointer to ${inner(type.type)}`;
    case Kind.ARRAY:
      return `${type.length} of ${inner(type.element)}`;
    default:
      return "type" in type ? `${type.name} ${inner(type.type)}` : type.name;
  }
}
