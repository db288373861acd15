/**
 * Checks offline whether objects fit kernels: applies every CO-RE relocation against every kernel's
 * types and says what came of it.
 *
 * Needs no kernel, no privileges and no Linux. What the verifier thinks of the code is another
 * question.
 *
 * @module
 */

import { Btf, relocateBtf } from "../../btf/index.ts";
import { ElfFile, Machine } from "../../elf/index.ts";
import { toHex } from "../bytes.ts";
import { CoreTarget, type ModuleBtf } from "../co-re/index.ts";
import { BtfError } from "../error.ts";
import { checkOptions } from "../options.ts";
import { requireBtf, requireKernels, requireModules, requireSpecs } from "./arguments.ts";
import { checkPair } from "./pair.ts";
import { type CheckedObject, prepareObject } from "./prepare.ts";
import {
  type CheckReport,
  type CheckRow,
  isGood,
  type RelocatedInstructions,
  type ReportKernel,
  type ReportSummary,
  type Verdict,
} from "./report.ts";

/** BTF of a kernel module: split from that of vmlinux, in a form that a kernel's may have. */
export interface CheckModule {
  readonly name: string;
  readonly btf: Btf | Uint8Array;
}

/** A kernel to check against. */
export interface CheckKernel {
  readonly name: string;
  /**
   * Its BTF: raw, in the section of an ELF file, or opened. A function is called when the kernel's
   * turn comes, and what it gives is let go of afterwards, so that one kernel is in memory at a
   * time. Opened BTF is checked against faster the next time.
   */
  readonly btf: Btf | Uint8Array | (() => Btf | Uint8Array);
  /**
   * BTF of its modules, asked for types that vmlinux does not have, as libbpf does it; a function
   * is called when there is such a type. Default none.
   */
  readonly modules?:
    | readonly CheckModule[]
    | ((vmlinux: Btf) => readonly CheckModule[])
    | undefined;
}

/** Which object on which kernel is checked next, as indexes, and how many there are. */
export interface CheckProgress {
  readonly kernel: number;
  readonly kernels: number;
  readonly object: number;
  readonly objects: number;
}

/** How to check. */
export interface CheckOptions {
  /** Whether the report also has all relocated instructions. Default false. */
  readonly instructions?: boolean | undefined;
  /** Called before each object on each kernel, all objects on one kernel first. */
  readonly onProgress?: ((progress: CheckProgress) => void) | undefined;
}

/**
 * Checks one object, or several, against all kernels. Throws BtfError for a kernel's BTF that
 * cannot be read, and TypeError for arguments that are no objects or kernels, or none; never for
 * what an object holds.
 */
export function check(
  spec: CheckedObject | readonly CheckedObject[],
  kernels: readonly CheckKernel[],
  options: CheckOptions = {},
): CheckReport {
  checkOptions("check", options, ["instructions", "onProgress"]);
  const specs = isList(spec) ? spec : [spec];
  requireSpecs(specs);
  requireKernels(kernels);
  const objects = specs.map(prepareObject);
  const checked = objects.map((): CheckedPair[] => []);
  const opened = kernels.map((kernel, index): ReportKernel => {
    const target = openKernel(kernel);
    for (const [object, prepared] of objects.entries()) {
      const of = { kernels: kernels.length, objects: objects.length };
      options.onProgress?.({ kernel: index, object, ...of });
      const { rows, programs } = checkPair(prepared, target, { object, kernel: index });
      const relocated = options.instructions === true ? programs.map(inHex) : undefined;
      const { ok, counts } = summarise(rows);
      const isRead = prepared.error === undefined;
      checked[object]?.push({ rows, relocated, ok: ok && isRead, counts });
    }
    return { name: target.name, types: target.vmlinux.typeCount };
  });
  const summary = checked.flatMap((pairs, object): ReportSummary[] =>
    pairs.map(({ ok, counts }, kernel) => ({ object, kernel, ok, counts })),
  );
  return {
    schema: 1,
    ok: summary.every(({ ok }) => ok),
    kernels: opened,
    objects: objects.map(({ programs, error }, object) => ({
      ...(error === undefined ? {} : { error }),
      programs: programs.map(({ name, section, sites }) => {
        return { name, section, relocations: sites.length };
      }),
      ...(options.instructions === true ? { kernels: relocatedOn(checked[object] ?? []) } : {}),
    })),
    rows: allRows(checked),
    summary,
  };
}

/** What the report says of one object on one kernel. */
interface CheckedPair {
  readonly rows: readonly CheckRow[];
  readonly ok: boolean;
  readonly counts: ReportSummary["counts"];
  readonly relocated: readonly RelocatedInstructions[] | undefined;
}

/** Rows by object and kernel; there may be hundreds of thousands, for which flatMap is slow. */
function allRows(checked: readonly (readonly CheckedPair[])[]): CheckRow[] {
  const all: CheckRow[] = [];
  for (const pairs of checked) {
    for (const { rows } of pairs) {
      for (const row of rows) all.push(row);
    }
  }
  return all;
}

function inHex({ name, after }: { name: string; after: Uint8Array }): RelocatedInstructions {
  return { name, bytes: toHex(after) };
}

function relocatedOn(
  pairs: readonly CheckedPair[],
): { kernel: number; programs: readonly RelocatedInstructions[] }[] {
  return pairs.map(({ relocated }, kernel) => ({ kernel, programs: relocated ?? [] }));
}

function summarise(rows: readonly CheckRow[]): Pick<ReportSummary, "ok" | "counts"> {
  const counts: Partial<Record<Verdict, number>> = {};
  for (const { verdict } of rows) counts[verdict] = (counts[verdict] ?? 0) + 1;
  return { ok: rows.every(({ verdict }) => isGood(verdict)), counts };
}

function isList(spec: CheckedObject | readonly CheckedObject[]): spec is readonly CheckedObject[] {
  return Array.isArray(spec);
}

/** Targets of BTF that is kept open, so that what was found in it is kept as well. */
const kept: WeakMap<Btf, CoreTarget> = new WeakMap();

function openKernel({ name, btf, modules = [] }: CheckKernel): CoreTarget {
  const given: unknown = typeof btf === "function" ? btf() : btf;
  requireBtf(`check: kernel ${name}`, given);
  const vmlinux = openKernelTypes(given, name);
  const isKept = btf instanceof Btf && modules.length === 0 && typeof modules !== "function";
  const known = isKept ? kept.get(vmlinux) : undefined;
  if (known?.name === name) return known;
  const list =
    typeof modules === "function" ? () => modules(vmlinux) : (): typeof modules => modules;
  const open = (): ModuleBtf[] => {
    const given = list();
    requireModules(`check: kernel ${name}`, given);
    return given.map((module) => {
      const what = `${name}, module ${module.name}`;
      return { name: module.name, btf: openBtf(module.btf, what, vmlinux) };
    });
  };
  // A list is given to be read: what is wrong with it shall not depend on what objects ask for.
  const listed = typeof modules === "function" ? undefined : open();
  const target = new CoreTarget(vmlinux, { name, modules: () => listed ?? open() });
  if (isKept) kept.set(vmlinux, target);
  return target;
}

/**
 * Opens raw BTF, or that in the section .BTF of an ELF file. Where the file has a distilled base
 * (.BTF.base), its types are moved to `base`, or continue that of the file where there is none.
 */
export function openBtf(bytes: Btf | Uint8Array, what: string, base?: Btf): Btf {
  return open(bytes, what, base, () => {});
}

/** The same for a kernel's BTF: that of a BPF object is refused, since it is no kernel's. */
export function openKernelTypes(bytes: Btf | Uint8Array, what: string): Btf {
  return open(bytes, what, undefined, ({ machine }) => {
    if (machine !== Machine.BPF) return;
    throw new BtfError(
      "it is a BPF object, not a kernel; with `ebpf check`, objects stand before --btf",
    );
  });
}

function open(
  bytes: Btf | Uint8Array,
  what: string,
  base: Btf | undefined,
  judge: (file: ElfFile) => void,
): Btf {
  if (bytes instanceof Btf) return bytes;
  try {
    refuseCompressed(bytes);
    if (!ElfFile.isElf(bytes)) return Btf.parse(bytes, { base });
    const file = ElfFile.parse(bytes);
    judge(file);
    const section = file.section(".BTF");
    if (section === undefined) throw new BtfError("the ELF file has no section .BTF");
    const distilled = file.section(".BTF.base");
    if (distilled === undefined) return Btf.parse(file.data(section), { base });
    const own = Btf.parse(file.data(section), { base: Btf.parse(file.data(distilled)) });
    return base === undefined ? own : relocateBtf(own, base);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new BtfError(`opening BTF of ${what}: ${reason}`, { cause: error });
  }
}

const COMPRESSIONS: readonly { name: string; magic: readonly number[]; remedy: string }[] = [
  { name: "gzip", magic: [0x1f, 0x8b], remedy: "zlib.gunzipSync" },
  { name: "zstd", magic: [0x28, 0xb5, 0x2f, 0xfd], remedy: "zlib.zstdDecompressSync" },
  { name: "xz", magic: [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0], remedy: "the command unxz" },
];

function refuseCompressed(bytes: Uint8Array): void {
  for (const { name, magic, remedy } of COMPRESSIONS) {
    if (!magic.every((byte, at) => bytes[at] === byte)) continue;
    throw new BtfError(`it is compressed with ${name}; decompress it first, as by ${remedy}`);
  }
}
