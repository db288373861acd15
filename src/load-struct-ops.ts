/**
 * Function tables of an object (struct_ops) in the layout of the running kernel: members are found by their names, functions are
 * programs that the kernel is told the member of.
 *
 * The rules are libbpf's (`bpf_map__init_kern_struct_ops` of src/libbpf.c). Registering a table is the business of links.
 *
 * @module
 */

import { type Btf, Kind, kindName, type Member, resolve, sizeOf } from "../btf/index.ts";
import { BpfError, UnsupportedError } from "./error.ts";
import { KernelTypes, runningKernel, type SymbolSources } from "./externs/index.ts";
import { didYouMean, nearMatches } from "./near-matches.ts";
import type { MapSpec, ObjectSpec } from "./spec/index.ts";
import type { FileDescriptor } from "./sys/fd.ts";

/** A table as the kernel has it. */
export interface KernelTable {
  /** BTF id of `struct bpf_struct_ops_NAME`, which is the value of the map. */
  readonly valueType: number;
  readonly valueSize: number;
  /** The module that has the type, undefined for vmlinux. */
  readonly module: FileDescriptor | undefined;
  /** The value, but for the programs. */
  readonly bytes: Uint8Array;
  /** Where in `bytes` the descriptors of programs go, 8 bytes each. */
  readonly functions: readonly { readonly offset: number; readonly program: string }[];
}

/** What the kernel is told of a program that is a member of a table. */
export interface TableMember {
  readonly attachBtfId: number;
  /** Place of the member in the structure. */
  readonly expectedAttachType: number;
  readonly attachBtf?: FileDescriptor;
}

/** Since when kernels have tables of a type, and the option that they are built with. */
const KERNELS: Readonly<Record<string, readonly [since: string, config: string]>> = {
  tcp_congestion_ops: ["5.6", "CONFIG_BPF_JIT"],
  hid_bpf_ops: ["6.11", "CONFIG_HID_BPF"],
  sched_ext_ops: ["6.12", "CONFIG_SCHED_CLASS_EXT"],
  Qdisc_ops: ["6.16", "CONFIG_NET_SCH_BPF"],
};

/** Members of the object's structure that nobody could count are of hostile types. */
const MAX_MEMBERS = 65_536;

/** The tables of one object for one load. Modules stay open until it is closed. */
export class StructOpsTables implements Disposable {
  readonly #types: KernelTypes;
  readonly #tables: Map<string, KernelTable> = new Map();
  readonly #members: Map<string, TableMember & { table: string }> = new Map();
  /** Programs of tables in whose place another one is given. */
  readonly #unused: Set<string> = new Set();

  /**
   * Lays out the tables that are to be created; `skip` says in whose place another one is given.
   *
   * @throws UnsupportedError when the kernel has no such table; BpfError with code `ERR_STRUCT_OPS` when it has a member of another
   * kind or size, or none and it is not zero; RangeError or TypeError for values that do not fit.
   */
  constructor(
    spec: Pick<ObjectSpec, "maps" | "programs">,
    skip: (name: string) => boolean,
    sources: SymbolSources = runningKernel,
  ) {
    this.#types = new KernelTypes(sources);
    try {
      for (const [name, map] of Object.entries(spec.maps)) {
        if (map.structOps === undefined || !map.autocreate) continue;
        if (skip(name)) {
          for (const program of Object.values(map.structOps.functions())) {
            if (program !== null) this.#unused.add(program);
          }
          continue;
        }
        this.#tables.set(name, this.#layOut(name, map, spec.programs));
      }
    } catch (error) {
      this.#types.close();
      throw error;
    }
  }

  /** The table of a map, undefined for maps that are none. */
  table(map: string): KernelTable | undefined {
    return this.#tables.get(map);
  }

  /** What a program is a member of; undefined when it is in no table that is created. */
  member(program: string): TableMember | undefined {
    return this.#members.get(program);
  }

  /** Whether a program is in no table but such as another one stands in for. */
  leavesOut(program: string): boolean {
    return this.#unused.has(program) && !this.#members.has(program);
  }

  /** Lets go of modules. Closing twice does nothing. */
  close(): void {
    this.#types.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #layOut(name: string, map: MapSpec, programs: ObjectSpec["programs"]): KernelTable {
    const ops = map.structOps!;
    const local = map.btf!;
    const struct = `struct ${ops.kernelType}`;
    const kernel = this.#types.find(`bpf_struct_ops_${ops.kernelType}`, Kind.STRUCT);
    if (kernel === undefined) {
      const [since = "5.6", config] = Object.hasOwn(KERNELS, ops.kernelType)
        ? KERNELS[ops.kernelType]!
        : [];
      const needed = config === undefined ? "" : `; Linux ${since} has it with ${config}`;
      throw new UnsupportedError(
        `create map ${name}: this kernel takes no table of type ${struct}: it has no struct bpf_struct_ops_${ops.kernelType} in vmlinux or a loaded module${needed}`,
        { feature: `struct_ops ${ops.kernelType}`, since, cause: this.#types.unreadable },
      );
    }
    const { btf } = kernel;
    const module = kernel.module === undefined ? undefined : this.#types.open(kernel.module).fd;
    const value = structOf(btf, kernel.id);
    const data = value.find((member) => member.name === "data");
    const dataType = data === undefined ? 0 : resolve(btf, data.type);
    if (data === undefined || btf.kind(dataType) !== Kind.STRUCT) {
      throw fail(name, `struct bpf_struct_ops_${ops.kernelType} of this kernel has no member data`);
    }
    const bytes = new Uint8Array(sizeOf(btf, kernel.id));
    const source = ops.bytes();
    const members = structOf(btf, dataType);
    const functions: { offset: number; program: string }[] = [];
    const named = ops.functions();
    for (const member of structOf(local, map.valueType)) {
      const program = Object.hasOwn(named, member.name) ? named[member.name] : undefined;
      const index = members.findIndex(({ name: other }) => other === member.name);
      const own = source.subarray(
        Math.floor(member.bitOffset / 8),
        Math.floor(member.bitOffset / 8) + sizeOf(local, member.type),
      );
      const place = members[index];
      if (member.name === "" || place === undefined) {
        // What is not there cannot be set; that it is not set is what a kernel without it does anyway.
        if (program === undefined || program === null ? own.every((byte) => byte === 0) : false) {
          continue;
        }
        const hint = didYouMean(
          nearMatches(
            member.name,
            members.map((each) => each.name),
          ),
        );
        const empty = program === undefined ? "0" : "null";
        throw fail(
          name,
          `${struct} of this kernel has no member ${member.name || "without a name"}, and the object sets it; set spec.maps.${name}.structOps.members.${member.name} to ${empty} to do without${hint}`,
        );
      }
      checkAlike(name, `member ${member.name} of ${struct}`, [local, member], [btf, place]);
      const offset = (data.bitOffset + place.bitOffset) / 8;
      if (program === undefined) {
        bytes.set(own, offset);
      } else if (program !== null) {
        if (!Object.hasOwn(programs, program)) {
          throw fail(
            name,
            `its member ${member.name} is program ${program}, which the object does not have`,
          );
        }
        this.#note(program, {
          table: `${name}.${member.name}`,
          attachBtfId: dataType,
          expectedAttachType: index,
          ...(module === undefined ? {} : { attachBtf: module }),
        });
        functions.push({ offset, program });
      }
    }
    return { valueType: kernel.id, valueSize: bytes.length, module, bytes, functions };
  }

  /** A program may be in several tables, as the same member. */
  #note(program: string, member: TableMember & { table: string }): void {
    const before = this.#members.get(program);
    if (
      before !== undefined &&
      (before.attachBtfId !== member.attachBtfId ||
        before.expectedAttachType !== member.expectedAttachType)
    ) {
      throw new BpfError(
        `load program ${program}: it is ${before.table} and ${member.table}, but may be one member only`,
        { code: "ERR_STRUCT_OPS" },
      );
    }
    this.#members.set(program, before ?? member);
  }
}

function structOf(btf: Btf, id: number): readonly Member[] {
  const type = btf.type(resolve(btf, id));
  if (type.kind !== Kind.STRUCT || type.members.length > MAX_MEMBERS) return [];
  return type.members;
}

/** @throws BpfError unless a member of the object goes where the kernel has it. */
function checkAlike(
  map: string,
  what: string,
  [local, own]: [Btf, Member],
  [kernel, place]: [Btf, Member],
): void {
  if (own.bitSize !== 0 || place.bitSize !== 0) throw fail(map, `${what} is a bit field`);
  const ownType = resolve(local, own.type);
  const theirType = resolve(kernel, place.type);
  const ownKind = local.kind(ownType);
  const theirKind = kernel.kind(theirType);
  if (ownKind !== theirKind) {
    throw fail(
      map,
      `${what} is ${kindName(theirKind)} in this kernel, and ${kindName(ownKind)} in the object`,
    );
  }
  const isFunction = isFunctionPointer(local, ownType);
  if (isFunction !== isFunctionPointer(kernel, theirType)) {
    throw fail(
      map,
      `${what} is a function ${isFunction ? "in the object" : "in this kernel"} only`,
    );
  }
  const [ownSize, theirSize] = [sizeOf(local, ownType), sizeOf(kernel, theirType)];
  if (ownSize !== theirSize) {
    throw fail(
      map,
      `${what} takes ${theirSize} bytes in this kernel, and ${ownSize} in the object`,
    );
  }
}

function isFunctionPointer(btf: Btf, id: number): boolean {
  const type = btf.type(id);
  return type.kind === Kind.PTR && btf.kind(resolve(btf, type.type)) === Kind.FUNC_PROTO;
}

function fail(map: string, what: string): BpfError {
  return new BpfError(`create map ${map}: ${what}`, { code: "ERR_STRUCT_OPS" });
}
