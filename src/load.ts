/**
 * Brings what an object says into the kernel: types, maps with their contents, programs. All or nothing.
 *
 * Written once as steps; the caller performs each program load at once or on another thread.
 *
 * @module
 */

import type { Btf } from "../btf/index.ts";
import type { BpfMap } from "../maps/index.ts";
import { immAt, setImm } from "./asm/index.ts";
import { AttachTargets } from "./attach-target.ts";
import { hostLittleEndian, toHex, viewOf } from "./bytes.ts";
import { abandonAll, closeAll } from "./close-all.ts";
import { CoreTarget, Narrowing, relocateProgram, relocationFailure } from "./co-re/index.ts";
import { BpfError } from "./error.ts";
import { Externs, kconfigBytes } from "./externs/index.ts";
import { attachTypeHere } from "./load-attach-type.ts";
import { loadWithFallbacks } from "./load-fallback.ts";
import { LoadedMaps, replacementOf } from "./load-maps.ts";
import { checkLoadOptions, type LoadOptions } from "./load-options.ts";
import { StructOpsTables } from "./load-struct-ops.ts";
import { extInfo, loadTypes } from "./load-types.ts";
import { Program } from "./program.ts";
import { programsToLoad } from "./spec/autoload.ts";
import type { ObjectSpec, ProgramSpec } from "./spec/index.ts";
import type { ProgramLoadAttributes } from "./sys/bpf.ts";
import type { FileDescriptor } from "./sys/fd.ts";
import { release } from "./sys/kernel.ts";
import { kernelBtf, moduleBtfs } from "./sys/kernel-btf.ts";
import { findToken } from "./token.ts";
import { ProgramType } from "./uapi.ts";
import type { Steps } from "./verifier.ts";

/** What loading made. */
export interface Loaded {
  programs: Record<string, Program>;
  maps: Record<string, BpfMap>;
  /** Those of the maps that are closed with the collection; the others are the caller's. */
  ownedMaps: readonly BpfMap[];
}

/** Relocation targets are kept as long as their BTF, so that a second object costs next to nothing. */
const targets = new WeakMap<Btf, CoreTarget>();

function targetOf(btf: Btf, isRunning: boolean): CoreTarget {
  let target = targets.get(btf);
  if (target === undefined) {
    target = new CoreTarget(btf, isRunning ? { modules: moduleBtfs } : {});
    targets.set(btf, target);
  }
  return target;
}

/** Loads all of `spec`, of which nothing is changed. */
export function* loadObject(spec: ObjectSpec, options: LoadOptions): Steps<Loaded> {
  checkLoadOptions(options, spec);
  checkByteOrder(spec);
  refuseStrange(spec, options);
  const found = options.token === undefined ? findToken() : undefined;
  const loader = new Loader(spec, found === undefined ? options : { ...options, token: found });
  let done = false;
  try {
    loader.loadTypes();
    loader.resolveExterns();
    loader.createMaps();
    for (const [name, program] of programsToLoad(spec)) {
      options.signal?.throwIfAborted();
      if (loader.leavesOut(name)) continue;
      loader.loaded.programs[name] = yield* loader.load(name, program);
    }
    loader.fillMaps();
    loader.release();
    done = true;
    return loader.loaded;
  } finally {
    if (!done) loader.abandon();
    found?.close();
  }
}

function checkByteOrder({ byteOrder }: ObjectSpec): void {
  const host = hostLittleEndian ? "little" : "big";
  if (byteOrder === host) return;
  throw new BpfError(
    `load object: it is ${byteOrder} endian and this machine is ${host} endian; compile with -target bpf`,
    { code: "ERR_BYTE_ORDER" },
  );
}

/** What is read of objects, but is not ours to understand, is refused before anything is done. */
function refuseStrange(spec: ObjectSpec, options: LoadOptions): void {
  for (const [name, { extra, pinning }] of Object.entries(spec.maps)) {
    if (replacementOf(name, options) !== undefined) continue;
    if (pinning !== 0 && pinning !== 1) {
      throw new BpfError(
        `create map ${name}: its definition asks for pinning ${pinning}, which is another loader's to understand; set pinning of its spec to 0 (none) or 1 (by name)`,
        { code: "ERR_MAP_DEFINITION" },
      );
    }
    if (extra?.some((byte) => byte !== 0)) {
      throw new BpfError(
        `create map ${name}: its definition goes on with ${toHex(extra)}, which is another loader's to understand (an id, a pinning); do what it says, then set extra of its spec to undefined`,
        { code: "ERR_MAP_DEFINITION" },
      );
    }
  }
}

class Loader {
  readonly loaded: Loaded;
  readonly #spec: ObjectSpec;
  readonly #options: LoadOptions;
  readonly #maps: LoadedMaps;
  /** Candidates that the object's earlier relocations have ruled out, as libbpf does. */
  #narrowing: Narrowing | undefined;
  #btf: FileDescriptor | undefined;
  /** Why the kernel did not take the object's types; it loads many programs without. */
  #typesProblem: string | undefined;
  #externs: Externs | undefined;
  #structOps: StructOpsTables | undefined;
  readonly #targets: AttachTargets;
  #kconfig: Uint8Array | undefined;

  constructor(spec: ObjectSpec, options: LoadOptions) {
    this.#spec = spec;
    this.#options = options;
    this.#maps = new LoadedMaps(spec, options);
    const { byName, owned } = this.#maps;
    this.loaded = { programs: Object.create(null), maps: byName, ownedMaps: owned };
    this.#targets = new AttachTargets(options.targets);
  }

  loadTypes(): void {
    const { fd, problem } = loadTypes(this.#spec, this.#token);
    this.#btf = fd;
    this.#typesProblem = problem;
  }

  /** Finds what the kernel has to provide, once for all programs. */
  resolveExterns(): void {
    if (this.#spec.kconfig.length > 0) {
      this.#kconfig = kconfigBytes(this.#spec, this.#options.kconfig);
    }
    this.#externs = new Externs(this.#spec);
  }

  createMaps(): void {
    const isGiven = (name: string) => replacementOf(name, this.#options) !== undefined;
    this.#structOps = new StructOpsTables(this.#spec, isGiven);
    this.#maps.create(this.#btf, this.#kconfig, this.#structOps);
  }

  /** Whether a program is of no use: the caller gives the function table that it would be in. */
  leavesOut(key: string): boolean {
    return this.#structOps?.leavesOut(key) ?? false;
  }

  /** `key` is the program's name in the object, which its own may differ from. */
  *load(key: string, program: ProgramSpec): Steps<Program> {
    const { name } = program;
    if (program.type === ProgramType.UNSPEC) {
      throw new BpfError(
        `load program ${name}: section ${program.section} does not tell its type; set spec.programs.${name}.type, or autoload to false`,
        { code: "ERR_PROGRAM_TYPE" },
      );
    }
    const { instructions, poisoned } = this.#relocate(program);
    this.#resolve(program, instructions, poisoned);
    const { fd, log, attachType } = yield* loadWithFallbacks(
      {
        type: program.type,
        expectedAttachType: attachTypeHere(program),
        // The kernel refuses names with anything else in them.
        name: name.replaceAll(/[^\w.]/g, ""),
        license: this.#spec.license,
        kernelVersion: this.#kernelVersion(program),
        flags: program.flags,
        instructions,
        ...this.#target(key, program),
        token: this.#token,
        fdArray: this.#externs?.fdArray,
        uses: [
          ...Object.values(this.loaded.maps).map((map) => map.fd),
          ...(this.#externs?.descriptors ?? []),
        ],
        ...extInfo(program, this.#btf),
      },
      {
        name,
        functions: program.functions,
        // Decoded only when something is wrong.
        get lines() {
          return program.lines;
        },
        references: program.references,
        explain: (slot) => poisoned.get(slot),
        typesProblem: this.#typesProblem,
        logLevel: this.#options.logLevel ?? 0,
      },
      { attachType: program.attachTypeOptional },
    );
    const { btf } = this.#spec;
    const func = program.functions[0]?.type ?? 0;
    const types = btf === undefined ? undefined : { btf, func };
    return new Program(fd, {
      ...program,
      attachType,
      log,
      types,
      objectMaps: this.#maps.byName,
    });
  }

  /** What the kernel is told of where the program goes. */
  #target(key: string, program: ProgramSpec): Partial<ProgramLoadAttributes> {
    if (program.type === ProgramType.STRUCT_OPS) {
      const member = this.#structOps?.member(key);
      if (member !== undefined) return member;
      throw new BpfError(
        `load program ${program.name}: it is for a function table of the kernel (struct_ops), and no table that is loaded names it; set autoload of its spec to false to leave it out`,
        { code: "ERR_STRUCT_OPS" },
      );
    }
    return program.attachBtf ? this.#targets.find(key, program) : this.#targets.module(program);
  }

  /** The program's instructions for this kernel, and what to say of those that were poisoned. */
  #relocate(program: ProgramSpec): { instructions: Uint8Array; poisoned: Map<number, string> } {
    const poisoned = new Map<number, string>();
    const { btf } = this.#spec;
    const { coreRelocations, name } = program;
    if (btf === undefined || coreRelocations.length === 0) {
      return { instructions: new Uint8Array(program.instructions), poisoned };
    }
    const target = targetOf(this.#options.btf ?? kernelBtf(), this.#options.btf === undefined);
    // Not slice(): on a Buffer that would share the memory of the spec.
    const instructions = new Uint8Array(program.instructions);
    this.#narrowing ??= Narrowing.over(
      btf,
      programsToLoad(this.#spec).flatMap(([, one]) => one.coreRelocations),
      target,
    );
    const results = relocateProgram(
      instructions,
      hostLittleEndian,
      btf,
      coreRelocations,
      target,
      name,
      this.#narrowing,
    );
    const failure = relocationFailure(name, coreRelocations, results, target);
    if (failure !== undefined) throw failure;
    for (const [index, result] of results.entries()) {
      if (!result.poison) continue;
      const { path, root } = result;
      const why = `this kernel has no ${path} (CO-RE access to ${root})`;
      poisoned.set(coreRelocations[index]!.slot, why);
    }
    return { instructions, poisoned };
  }

  /** Puts descriptors where instructions refer to maps; ids and addresses for kernel symbols. */
  #resolve(program: ProgramSpec, instructions: Uint8Array, poisoned: Map<number, string>): void {
    const view = viewOf(instructions);
    for (const reference of program.references) {
      if (reference.kind === "ksym" || reference.kind === "kfunc") {
        const why = this.#externs?.patch(program.name, view, hostLittleEndian, reference);
        if (why !== undefined) poisoned.set(reference.slot, why);
        continue;
      }
      const map = this.loaded.maps[reference.name];
      if (map === undefined) {
        throw new BpfError(
          `load program ${program.name}: it refers to map ${reference.name}, which is not among the maps to load`,
          { code: "ERR_MISSING_MAP" },
        );
      }
      setImm(view, reference.slot, hostLittleEndian, map.fd.number);
      if (reference.kind === "map-value") this.#moveData(view, reference);
    }
  }

  /** Offsets of an object's data are counted from where the map has them. */
  #moveData(view: DataView, { slot, name }: { slot: number; name: string }): void {
    const begin = this.#maps.dataOffset(name);
    if (begin === 0) return;
    const second = slot + 1;
    setImm(view, second, hostLittleEndian, immAt(view, second, hostLittleEndian) + begin);
  }

  /** Kernels before 5.0 compare the version that a kprobe was compiled for. */
  #kernelVersion(program: ProgramSpec): number {
    if (program.type !== ProgramType.KPROBE || this.#spec.kernelVersion !== 0) {
      return this.#spec.kernelVersion;
    }
    const { major, minor, patch } = release();
    return (major << 16) | (minor << 8) | Math.min(patch, 255);
  }

  /** What maps hold of programs and of each other. */
  fillMaps(): void {
    this.#maps.fillSlots(this.loaded.programs);
    this.#maps.fillTables(this.loaded.programs, this.#structOps);
  }

  /** Lets go of what only loading needs: the types are held by what uses them. */
  release(): void {
    closeAll(this.#aids());
  }

  /** Closes everything, after a failure. */
  abandon(): void {
    this.#maps.abandon();
    abandonAll([...this.#aids(), ...Object.values(this.loaded.programs)]);
  }

  get #token(): FileDescriptor | undefined {
    return this.#options.token ? this.#options.token.fd : undefined;
  }

  #aids(): { close(): void }[] {
    const aids = [this.#btf, this.#externs, this.#structOps, this.#targets];
    return aids.filter((handle) => handle !== undefined);
  }
}
