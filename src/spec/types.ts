/**
 * What a BPF object says, as plain data: programs, maps, variables and externs. Made from bytes, without a kernel.
 *
 * Records that are keyed by names of the object have no prototype, so that no name of a hostile object can clash.
 *
 * @module
 */

import type { Btf, LineInfo } from "../../btf/index.ts";
import type { StructOpsSpec } from "./struct-ops.ts";
import type { VariableSpec } from "./variable.ts";

/** Everything that one object file says. */
export interface ObjectSpec {
  /** Byte order of the object; loading needs that of the machine. */
  byteOrder: "little" | "big";
  /** Text of the `license` section, empty without one. */
  license: string;
  /** Number of the `version` section, 0 without one. */
  kernelVersion: number;
  /** Types of the object, undefined when it was compiled without BTF. */
  btf: Btf | undefined;
  programs: Record<string, ProgramSpec>;
  maps: Record<string, MapSpec>;
  variables: Record<string, VariableSpec>;
  /** Kernel configuration values that the object asks for (`__kconfig`), in the order of the `.kconfig` map. */
  kconfig: KconfigExtern[];
  /** Kernel functions and variables that the object asks for (`__ksym`). */
  ksyms: KsymExtern[];
  /** What the loader must know to hand the object's own types to a kernel. */
  layout: DataLayout;
}

/** A program: an entry point with all functions it reaches, linked into one instruction stream. */
export interface ProgramSpec {
  name: string;
  /** Name of the ELF section, without a leading `?`. */
  section: string;
  /** `ProgramType`, 0 when the section name tells none; set it before loading then. */
  type: number;
  /** `AttachType` that the kernel is told at load. */
  attachType: number;
  /** Old kernels may be loaded without the attach type (libbpf's optional expected attach type). */
  attachTypeOptional: boolean;
  /** What follows the slash in the section name: function, tracepoint, path… */
  attachTo: string;
  /** `attachTo` names a BTF type of the kernel, to be resolved before loading. */
  attachBtf: boolean;
  /** `ProgramFlags` for loading. */
  flags: number;
  /** False for sections that begin with `?`: the program is left out unless this is set. */
  autoload: boolean;
  /** Instruction slots of 8 bytes in the object's byte order; pseudo sources set, descriptors and ids zero. */
  instructions: Uint8Array;
  /** Functions in `instructions`, the entry point first. */
  functions: ProgramFunction[];
  /** Source lines of `instructions`, ascending by slot; decoded when first read. */
  lines: ProgramLine[];
  /** CO-RE relocations of `instructions`, ascending by slot. */
  coreRelocations: ProgramCoreRelocation[];
  /** Instructions that need an id, descriptor or address at load time, ascending by slot. */
  references: Reference[];
}

/** One function of a linked program. */
export interface ProgramFunction {
  name: string;
  /** First instruction slot. */
  slot: number;
  /** BTF id of the FUNC, 0 without BTF. */
  type: number;
}

/** Where the source of an instruction is; its texts are read from BTF when they are asked for. */
export interface ProgramLine {
  slot: number;
  source: LineInfo;
}

/** A CO-RE record of a linked program. */
export interface ProgramCoreRelocation {
  /** Slot in the linked instructions. */
  slot: number;
  /** ELF section and byte offset in it, as the object records them. */
  section: string;
  offset: number;
  /** BTF id of the root type in the object. */
  type: number;
  /** Access path such as `0:1:2`. */
  accessor: string;
  /** `CoreKind`. */
  kind: number;
  /** Its place among all CO-RE records of the object, which is the order of their relocation. */
  order: number;
}

/** An instruction that names something which only loading can resolve. */
export type Reference =
  /** `ldimm64` of a map's descriptor. */
  | { slot: number; kind: "map"; name: string }
  /** `ldimm64` of an address in a map's only value; the offset stands in the second half already. */
  | { slot: number; kind: "map-value"; name: string }
  /** `ldimm64` of a kernel symbol's address or BTF id. */
  | { slot: number; kind: "ksym"; name: string }
  /** `ldimm64` of the address of a jump table: an instruction array that holds `targets`, slots of this program. Linux 6.19. */
  | { slot: number; kind: "jump-table"; name: string; targets: readonly number[] }
  /** Call of a kernel function. */
  | { slot: number; kind: "kfunc"; name: string };

/** A map to be created. */
export interface MapSpec {
  /**
   * Its name in the object, or any text without a NUL. The kernel is told the first 15 of its characters that are letters, digits, `_`
   * or `.`; it takes no others.
   */
  name: string;
  /** Name of the ELF section that declares it. */
  section: string;
  /** `MapType`. */
  type: number;
  keySize: number;
  valueSize: number;
  /** 0 where the loader or the caller decides. */
  maxEntries: number;
  /** `MapFlags`. */
  flags: number;
  /** 1: pinned and reused by name. Larger numbers are of other loaders (Cilium's has 16), and refused when loading. */
  pinning: number;
  /** False for function tables of `?.struct_ops`: the map is left out unless this is set. */
  autocreate: boolean;
  mapExtra: bigint;
  numaNode: number;
  /** BTF ids of key and value in `btf`, 0 where unknown. */
  keyType: number;
  valueType: number;
  btf: Btf | undefined;
  /** The template of the maps in a map of maps. */
  inner: MapSpec | undefined;
  /** Initial bytes of a data section's only value, or of an arena's globals; edited through variables. */
  data: Uint8Array | undefined;
  /** What a struct_ops map holds: values, and names of programs. */
  structOps: StructOpsSpec | undefined;
  /** Initial slots of a map of maps or a program array: index and the name of the map or program. */
  slots: { index: number; name: string }[];
  /** Bytes behind the known members of a legacy definition; loading refuses them unless they are zero. */
  extra: Uint8Array | undefined;
  /** Texts of `btf_decl_tag` on the map. */
  tags: string[];
}

/** A value of the kernel's configuration. */
export interface KconfigExtern {
  name: string;
  weak: boolean;
  /** BTF id of its type. */
  type: number;
  /** Where it stands in the `.kconfig` map. */
  offset: number;
  size: number;
}

/** A kernel function or variable. */
export interface KsymExtern {
  name: string;
  weak: boolean;
  kind: "function" | "variable" | "untyped";
  /** BTF id of the FUNC or VAR in the object. */
  type: number;
}

/** Sizes and offsets that the compiler leaves zero in BTF, for the kernel. */
export interface DataLayout {
  /** By name of a DATASEC. */
  sections: Record<
    string,
    { size: number; variables: { type: number; offset: number; size: number }[] }
  >;
  /** Names of functions that are global in ELF but hidden, which the kernel shall verify as static. */
  staticFunctions: string[];
}
