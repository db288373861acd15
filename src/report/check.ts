/**
 * Checks offline whether objects fit kernels: applies every CO-RE relocation against every kernel's
 * types and says what came of it.
 *
 * Needs no kernel, no privileges and no Linux. What the verifier thinks of the code is another
 * question.
 *
 * @module
 */

import { Btf } from "../../btf/index.ts";
import { ElfFile } from "../../elf/index.ts";
import { imm64At, immAt, isAlu, isLoadImm64, offsetAt, opcodeAt, SLOT } from "../asm/index.ts";
import { toHex, viewOf } from "../bytes.ts";
import {
  type CoreResult,
  CoreTarget,
  coreKindName,
  Narrowing,
  relocateProgram,
} from "../co-re/index.ts";
import { BtfError } from "../error.ts";
import type { ObjectSpec, ProgramCoreRelocation, ProgramSpec } from "../spec/index.ts";
import { deadSlots } from "./guard.ts";
import {
  type CheckReport,
  type CheckRow,
  isGood,
  type ReportNumber,
  type ReportObject,
  type ReportSource,
  type ReportSummary,
  type Verdict,
} from "./report.ts";

/** What a check needs of an object: a `CollectionSpec` has it. */
export type CheckedObject = Pick<ObjectSpec, "byteOrder" | "btf" | "programs">;

/**
 * A kernel to check against: its BTF, raw or in the section of an ELF file, or opened. Opened BTF
 * is checked against faster the next time.
 */
export interface CheckKernel {
  readonly name: string;
  readonly btf: Btf | Uint8Array;
  /** BTF of its modules, asked for types that vmlinux does not have. Default none. */
  readonly modules?: readonly { readonly name: string; readonly btf: Btf | Uint8Array }[];
}

/** How to check. */
export interface CheckOptions {
  /** Whether the report also has all relocated instructions. Default false. */
  readonly instructions?: boolean;
}

/**
 * Checks one object, or several, against all kernels. Throws BtfError for a kernel's BTF that
 * cannot be read; never for what an object holds.
 */
export function check(
  spec: CheckedObject | readonly CheckedObject[],
  kernels: readonly CheckKernel[],
  options: CheckOptions = {},
): CheckReport {
  const specs = isList(spec) ? spec : [spec];
  const targets = kernels.map(openKernel);
  const rows: CheckRow[] = [];
  const summary: ReportSummary[] = [];
  const objects = specs.map((object, objectIndex): ReportObject => {
    const programs = Object.values(object.programs).map((program) => {
      const { coreRelocations } = program;
      return { program, sources: coreRelocations.map(({ slot }) => sourceOf(program, slot)) };
    });
    const relocated = targets.map((target, kernel) => {
      const start = rows.length;
      const linked = checkPair(object, programs, target, { object: objectIndex, kernel }, rows);
      summary.push(summarise(objectIndex, kernel, rows.slice(start)));
      return { kernel, linked };
    });
    const described = programs.map(({ program: { name, section, coreRelocations } }) => {
      return { name, section, relocations: coreRelocations.length };
    });
    if (options.instructions !== true) return { programs: described };
    const kernels = relocated.map(({ kernel, linked }) => {
      return { kernel, programs: linked.map(({ name, after }) => ({ name, bytes: toHex(after) })) };
    });
    return { programs: described, kernels };
  });
  return {
    schema: 1,
    ok: summary.every(({ ok }) => ok),
    kernels: targets.map(({ name, vmlinux }) => ({ name, types: vmlinux.typeCount })),
    objects,
    rows,
    summary,
  };
}

function isList(spec: CheckedObject | readonly CheckedObject[]): spec is readonly CheckedObject[] {
  return Array.isArray(spec);
}

/** Targets of BTF that is kept open, so that what was found in it is kept as well. */
const kept: WeakMap<Btf, CoreTarget> = new WeakMap();

function openKernel({ name, btf, modules = [] }: CheckKernel): CoreTarget {
  const vmlinux = openBtf(btf, name);
  const known = modules.length === 0 ? kept.get(vmlinux) : undefined;
  if (known?.name === name) return known;
  const open = modules.map((module) => ({
    name: module.name,
    btf: openBtf(module.btf, `${name}, module ${module.name}`, vmlinux),
  }));
  const target = new CoreTarget(vmlinux, { name, modules: () => open });
  if (modules.length === 0) kept.set(vmlinux, target);
  return target;
}

/** Opens raw BTF, or that in the section .BTF of an ELF file. */
export function openBtf(bytes: Btf | Uint8Array, what: string, base?: Btf): Btf {
  if (bytes instanceof Btf) return bytes;
  try {
    if (!ElfFile.isElf(bytes)) return Btf.parse(bytes, { base });
    const file = ElfFile.parse(bytes);
    const section = file.section(".BTF");
    if (section === undefined) throw new BtfError("the ELF file has no section .BTF");
    return Btf.parse(file.data(section), { base });
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new BtfError(`opening BTF of ${what}: ${reason}`, { cause: error });
  }
}

/** A program, and where each of its relocations comes from: the same on all kernels. */
interface CheckedProgram {
  readonly program: ProgramSpec;
  readonly sources: readonly (ReportSource | null)[];
}

/** A program's instructions with CO-RE applied. */
interface RelocatedProgram {
  readonly name: string;
  readonly after: Uint8Array;
}

/** One object on one kernel. */
function checkPair(
  object: CheckedObject,
  programs: readonly CheckedProgram[],
  target: CoreTarget,
  indexes: { readonly object: number; readonly kernel: number },
  rows: CheckRow[],
): RelocatedProgram[] {
  const { btf, byteOrder } = object;
  const little = byteOrder === "little";
  const narrowing = new Narrowing();
  return programs.map(({ program, sources }) => {
    const { name, coreRelocations } = program;
    const before = program.instructions;
    const after = new Uint8Array(before);
    if (btf !== undefined) {
      const results = relocateProgram(after, little, btf, coreRelocations, target, name, narrowing);
      const dead = deadSlots(program, btf, after, little, results);
      for (const [index, result] of results.entries()) {
        const relocation = coreRelocations[index]!;
        const bytes = instructionBytes(before, after, relocation.slot);
        const verdict = verdictOf(result, bytes, dead(relocation.slot));
        const source = sources[index] ?? null;
        const described = describe(name, relocation, result);
        const local = localNumber(result, before, relocation.slot, little);
        rows.push({ ...indexes, ...described, local, verdict, ...bytes, source });
      }
    }
    return { name, after };
  });
}

interface Bytes {
  readonly before: string;
  readonly after: string;
}

/** One slot, or both of a load of 64 bits. */
function instructionBytes(before: Uint8Array, after: Uint8Array, slot: number): Bytes {
  const inside = slot >= 0 && (slot + 1) * SLOT <= before.length;
  const slots = inside && isLoadImm64(opcodeAt(viewOf(before), slot)) ? 2 : 1;
  const [start, end] = [slot * SLOT, (slot + slots) * SLOT];
  return { before: toHex(before.subarray(start, end)), after: toHex(after.subarray(start, end)) };
}

function verdictOf(result: CoreResult, { before, after }: Bytes, dead: boolean): Verdict {
  if (result.outcome === "error" || result.outcome === "ambiguous") return result.outcome;
  if (result.poison) return dead ? "guarded" : "poisoned";
  if (result.outcome === "missing") return "absent";
  return before === after ? "same" : "changed";
}

function describe(
  program: string,
  relocation: ProgramCoreRelocation,
  result: CoreResult,
): Omit<CheckRow, "object" | "kernel" | "local" | "verdict" | "before" | "after" | "source"> {
  return {
    program,
    section: relocation.section,
    offset: relocation.offset,
    kind: coreKindName(result.kind),
    root: result.root,
    accessor: result.accessor,
    path: result.path,
    target: reportNumber(result.targetValue),
    message: result.message ?? null,
  };
}

/**
 * The number of the object: what its types say, or where compilers and linkers may have put another
 * one (the word of a bitfield, ids of types), what the instruction holds.
 */
function localNumber(
  result: CoreResult,
  instructions: Uint8Array,
  slot: number,
  little: boolean,
): ReportNumber | null {
  const answered = result.outcome === "found" || result.outcome === "missing";
  if (result.certain || !answered || result.poison) return reportNumber(result.localValue);
  const view = viewOf(instructions);
  const opcode = opcodeAt(view, slot);
  if (isLoadImm64(opcode)) return reportNumber(imm64At(view, slot, little));
  return isAlu(opcode) ? immAt(view, slot, little) : offsetAt(view, slot, little);
}

function reportNumber(value: number | bigint | undefined): ReportNumber | null {
  if (value === undefined) return null;
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value.toString();
}

/** The last line record at or before the instruction, of the same function. */
function sourceOf({ lines, functions }: ProgramSpec, slot: number): ReportSource | null {
  let low = 0;
  let high = lines.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (lines[middle]!.slot <= slot) low = middle + 1;
    else high = middle;
  }
  const found = lines[low - 1];
  if (found === undefined) return null;
  const entered = functions.some((other) => other.slot > found.slot && other.slot <= slot);
  const { file, line, text } = found.source;
  return entered ? null : { file, line, text: text.trim() };
}

function summarise(object: number, kernel: number, rows: readonly CheckRow[]): ReportSummary {
  const counts: Partial<Record<Verdict, number>> = {};
  for (const { verdict } of rows) counts[verdict] = (counts[verdict] ?? 0) + 1;
  return { object, kernel, ok: rows.every(({ verdict }) => isGood(verdict)), counts };
}
