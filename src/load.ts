/**
 * Brings what an object says into the kernel: types, maps with their contents, programs. All or nothing.
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
import { LoadedJumpTables } from "./load-jump-tables.ts";
import { LoadedMaps, replacementOf } from "./load-maps.ts";
import { checkLoadOptions, type LoadOptions } from "./load-options.ts";
import { StructOpsTables } from "./load-struct-ops.ts";
import { extInfo, loadTypes } from "./load-types.ts";
import { Program } from "./program.ts";
import { programsToLoad } from "./spec/autoload.ts";
import type { ObjectSpec, ProgramSpec } from "./spec/index.ts";
import { requireKnownMembers } from "./spec/known-members.ts";
import type { ProgramLoadAttributes, programLoadAsync } from "./sys/bpf.ts";
import type { FileDescriptor } from "./sys/fd.ts";
import { versionCode } from "./sys/kernel.ts";
import { kernelBtf, moduleBtfs } from "./sys/kernel-btf.ts";
import { findToken, type Token } from "./token.ts";
import { ProgramType } from "./uapi.ts";
import { perform, performTogether, type Steps } from "./verifier/steps.ts";

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

/** Loads all of `spec`, of which nothing is changed, on this thread. */
export function loadObject(spec: ObjectSpec, options: LoadOptions): Loaded {
  const loader = begin(spec, options);
  try {
    loader.prepare();
    for (const steps of loader.programs()) perform(steps);
    return loader.finish();
  } finally {
    loader.end();
  }
}

/** As {@link loadObject}, with programs verified on other threads, several at a time, each attempt by `load`. */
export async function loadObjectAsync(
  spec: ObjectSpec,
  options: LoadOptions,
  load?: typeof programLoadAsync,
): Promise<Loaded> {
  const loader = begin(spec, options);
  try {
    loader.prepare();
    await performTogether(loader.programs(), load);
    return loader.finish();
  } finally {
    loader.end();
  }
}

function begin(spec: ObjectSpec, options: LoadOptions): Loader {
  checkLoadOptions(options, spec);
  requireKnownMembers(spec);
  checkByteOrder(spec);
  refuseStrange(spec, options);
  const toLoad = programsToLoad(spec);
  // Last, since it has to be closed when anything throws.
  const found = options.token === undefined ? findToken() : undefined;
  const all = found === undefined ? options : { ...options, token: found };
  return new Loader(spec, toLoad, all, found);
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
  readonly #spec: ObjectSpec;
  readonly #options: LoadOptions;
  /** What of the options' token is ours to close. */
  readonly #ownToken: Token | undefined;
  readonly #maps: LoadedMaps;
  readonly #toLoad: readonly [string, ProgramSpec][];
  readonly #programs = new Map<string, Program>();
  /** Candidates that the object's earlier relocations have ruled out, as libbpf does. */
  #narrowing: Narrowing | undefined;
  #btf: FileDescriptor | undefined;
  /** Why the kernel did not take the object's types; it loads many programs without. */
  #typesProblem: string | undefined;
  #externs: Externs | undefined;
  #structOps: StructOpsTables | undefined;
  readonly #targets: AttachTargets;
  readonly #jumpTables: LoadedJumpTables;
  #isDone = false;

  constructor(
    spec: ObjectSpec,
    toLoad: readonly [string, ProgramSpec][],
    options: LoadOptions,
    ownToken: Token | undefined,
  ) {
    this.#spec = spec;
    this.#options = options;
    this.#ownToken = ownToken;
    this.#toLoad = toLoad;
    this.#maps = new LoadedMaps(spec, options);
    this.#targets = new AttachTargets(options.targets);
    this.#jumpTables = new LoadedJumpTables(this.#token);
  }

  /** Types and maps, and what the kernel has to provide, once for all programs. */
  prepare(): void {
    const { fd, problem } = loadTypes(this.#spec, this.#token);
    this.#btf = fd;
    this.#typesProblem = problem;
    const { kconfig } = this.#options;
    const configuration =
      this.#spec.kconfig.length > 0 ? kconfigBytes(this.#spec, kconfig) : undefined;
    this.#externs = new Externs(this.#spec);
    const isGiven = (name: string) => replacementOf(name, this.#options) !== undefined;
    this.#structOps = new StructOpsTables(this.#spec, isGiven);
    this.#maps.create(this.#btf, configuration, this.#structOps);
  }

  /** The steps of each program; those of one have to begin before the next are asked for. */
  *programs(): Generator<Steps<void>> {
    for (const [key, program] of this.#toLoad) {
      this.#options.signal?.throwIfAborted();
      // Of no use where the caller gives the function table that it would be in.
      if (!this.#structOps?.leavesOut(key)) yield this.#load(key, program);
    }
  }

  /** What was loaded, when all programs are: maps hold some of them, and of each other. */
  finish(): Loaded {
    this.#options.signal?.throwIfAborted();
    const programs: Record<string, Program> = Object.create(null);
    // In the order of the object, whichever was verified first.
    for (const [key] of this.#toLoad) {
      const program = this.#programs.get(key);
      if (program !== undefined) programs[key] = program;
    }
    this.#maps.fillSlots(programs);
    this.#maps.fillTables(programs, this.#structOps);
    closeAll(this.#aids());
    this.#isDone = true;
    return { programs, maps: this.#maps.byName, ownedMaps: this.#maps.owned };
  }

  /** Lets go of what only loading needs; after a failure, of everything. */
  end(): void {
    if (!this.#isDone) {
      this.#maps.abandon();
      abandonAll([...this.#aids(), ...this.#programs.values()]);
    }
    this.#ownToken?.close();
  }

  /** `key` is the program's name in the object, which its own may differ from. */
  *#load(key: string, program: ProgramSpec): Steps<void> {
    const { name } = program;
    if (program.type === ProgramType.UNSPEC) {
      throw new BpfError(
        `load program ${name}: section ${program.section} does not tell its type; set spec.programs.${name}.type, or autoload to false`,
        { code: "ERR_PROGRAM_TYPE" },
      );
    }
    const { instructions, poisoned } = this.#relocate(program);
    this.#resolve(program, instructions, poisoned);
    const tables = this.#jumpTables.add(program, instructions);
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
          ...Object.values(this.#maps.byName).map((map) => map.fd),
          ...(this.#externs?.descriptors ?? []),
          ...tables,
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
    const objectMaps = this.#maps.byName;
    this.#programs.set(key, new Program(fd, { ...program, attachType, log, types, objectMaps }));
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
      this.#toLoad.flatMap(([, one]) => one.coreRelocations),
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
      // A descriptor would make a call of poison one of some helper.
      if (poisoned.has(reference.slot)) continue;
      if (reference.kind === "ksym" || reference.kind === "kfunc") {
        const why = this.#externs?.patch(program.name, view, hostLittleEndian, reference);
        if (why !== undefined) poisoned.set(reference.slot, why);
        continue;
      }
      if (reference.kind === "jump-table") continue;
      const map = this.#maps.byName[reference.name];
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
    return versionCode();
  }

  get #token(): FileDescriptor | undefined {
    return this.#options.token ? this.#options.token.fd : undefined;
  }

  #aids(): { close(): void }[] {
    const aids = [this.#btf, this.#externs, this.#structOps, this.#targets, this.#jumpTables];
    return aids.filter((handle) => handle !== undefined);
  }
}
