/**
 * Brings what an object says into the kernel: types, maps with their contents, programs. All or nothing.
 *
 * Written once as steps; the caller performs each program load at once or on another thread.
 *
 * @module
 */

import { type Btf, forKernel } from "../btf/index.ts";
import type { BpfMap } from "../maps/index.ts";
import { immAt, setImm } from "./asm/index.ts";
import { attachTarget } from "./attach-target.ts";
import { hostLittleEndian, toHex, viewOf } from "./bytes.ts";
import { abandonAll, closeAll } from "./close-all.ts";
import { CoreTarget, Narrowing, relocateProgram, relocationFailure } from "./co-re/index.ts";
import { BpfError, UnsupportedError } from "./error.ts";
import { Externs, kconfigBytes } from "./externs/index.ts";
import { LoadedMaps, replacementOf } from "./load-maps.ts";
import { checkLoadOptions, type LoadOptions } from "./load-options.ts";
import { Program } from "./program.ts";
import { programsToLoad } from "./spec/autoload.ts";
import type { ObjectSpec, ProgramSpec } from "./spec/index.ts";
import { btfLoad } from "./sys/bpf.ts";
import type { FileDescriptor } from "./sys/fd.ts";
import { release } from "./sys/kernel.ts";
import { kernelBtf, moduleBtfs } from "./sys/kernel-btf.ts";
import { ProgramType } from "./uapi.ts";
import { loadProgram, type Steps } from "./verifier.ts";

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
  refuseUnfinished(spec, options);
  const loader = new Loader(spec, options);
  let done = false;
  try {
    loader.resolveExterns();
    loader.createMaps();
    for (const [name, program] of programsToLoad(spec)) {
      options.signal?.throwIfAborted();
      loader.loaded.programs[name] = yield* loader.load(program);
    }
    loader.fillSlots();
    loader.release();
    done = true;
    return loader.loaded;
  } finally {
    if (!done) loader.abandon();
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

/** What is read of objects, but cannot be loaded, or not yet, is refused before anything is done. */
function refuseUnfinished(spec: ObjectSpec, options: LoadOptions): void {
  for (const [name, { structOps, autocreate, extra, pinning }] of Object.entries(spec.maps)) {
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
    if (structOps !== undefined && autocreate) {
      throw new UnsupportedError(
        `create map ${name}: it is a function table for the kernel (struct_ops), which is not loaded yet; set autocreate of its spec to false to leave it out with its programs`,
        { feature: "loading struct_ops maps" },
      );
    }
  }
  for (const [name, { type }] of programsToLoad(spec)) {
    if (type !== ProgramType.STRUCT_OPS) continue;
    throw new UnsupportedError(
      `load program ${name}: it is for a function table of the kernel (struct_ops), which is not loaded yet; set autoload of its spec to false to leave it out`,
      { feature: "loading struct_ops programs" },
    );
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
  #externs: Externs | undefined;
  #kconfig: Uint8Array | undefined;

  constructor(spec: ObjectSpec, options: LoadOptions) {
    this.#spec = spec;
    this.#options = options;
    this.#maps = new LoadedMaps(spec, options);
    const { byName, owned } = this.#maps;
    this.loaded = { programs: Object.create(null), maps: byName, ownedMaps: owned };
    this.#btf = this.#loadTypes();
  }

  /** The object's own types; programs and maps do without them on kernels that refuse them. */
  #loadTypes(): FileDescriptor | undefined {
    const { btf, layout } = this.#spec;
    if (btf === undefined) return undefined;
    const attempts = [{}, OLD_KERNEL];
    for (const features of attempts) {
      try {
        const bytes = forKernel(btf, layout, features);
        return btfLoad(bytes, { what: "types of the object" }).fd;
      } catch (error) {
        // The kernel decides what it cannot do without; what it says of maps and programs then is the better message.
        if (!(error instanceof BpfError) || error instanceof UnsupportedError) throw error;
      }
    }
    return undefined;
  }

  /** Finds what the kernel has to provide, once for all programs. */
  resolveExterns(): void {
    if (this.#spec.kconfig.length > 0) {
      this.#kconfig = kconfigBytes(this.#spec, this.#options.kconfig);
    }
    this.#externs = new Externs(this.#spec);
  }

  createMaps(): void {
    this.#maps.create(this.#btf, this.#kconfig);
  }

  *load(program: ProgramSpec): Steps<Program> {
    const { name } = program;
    if (program.type === ProgramType.UNSPEC) {
      throw new BpfError(
        `load program ${name}: section ${program.section} does not tell its type; set spec.programs.${name}.type, or autoload to false`,
        { code: "ERR_PROGRAM_TYPE" },
      );
    }
    const { instructions, poisoned } = this.#relocate(program);
    this.#resolve(program, instructions, poisoned);
    const { fd, log } = yield* loadProgram(
      {
        type: program.type,
        expectedAttachType: program.attachType,
        // The kernel refuses names with anything else in them.
        name: name.replaceAll(/[^\w.]/g, ""),
        license: this.#spec.license,
        kernelVersion: this.#kernelVersion(program),
        flags: program.flags,
        instructions,
        attachBtfId: program.attachBtf ? attachTarget(program, kernelBtf()) : undefined,
        fdArray: this.#externs?.fdArray,
        uses: [
          ...Object.values(this.loaded.maps).map((map) => map.fd),
          ...(this.#externs?.descriptors ?? []),
        ],
        ...this.#extInfo(program),
      },
      {
        name,
        lines: program.lines,
        explain: (slot) => poisoned.get(slot),
        logLevel: this.#options.logLevel ?? 0,
      },
    );
    return new Program(fd, { ...program, log });
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
    for (const [index, { poison, path, root }] of results.entries()) {
      const slot = coreRelocations[index]!.slot;
      if (poison) poisoned.set(slot, `this kernel has no ${path} (CO-RE access to ${root})`);
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

  #extInfo(program: ProgramSpec): object {
    if (this.#btf === undefined) return {};
    const functions = program.functions.filter(({ type }) => type !== 0);
    // The kernel wants a record for every function, or none at all.
    if (functions.length !== program.functions.length) return { btf: this.#btf };
    const functionInfo = new Uint32Array(functions.length * 2);
    for (const [index, { slot, type }] of functions.entries())
      functionInfo.set([slot, type], index * 2);
    const lineInfo = new Uint32Array(program.lines.length * 4);
    for (const [index, { slot, source }] of program.lines.entries()) {
      const { fileOffset, textOffset, line, column } = source;
      lineInfo.set([slot, fileOffset, textOffset, (line << 10) | column], index * 4);
    }
    return {
      btf: this.#btf,
      functionInfo: new Uint8Array(functionInfo.buffer),
      lineInfo: new Uint8Array(lineInfo.buffer),
    };
  }

  fillSlots(): void {
    this.#maps.fillSlots(this.loaded.programs);
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

  #aids(): { close(): void }[] {
    return [this.#btf, this.#externs].filter((handle) => handle !== undefined);
  }
}

/** What a kernel of the 5.x series may lack; ids do not move by leaving it out. */
const OLD_KERNEL = {
  floats: false,
  declTags: false,
  typeTags: false,
  enum64: false,
  questionMarks: false,
} as const;
