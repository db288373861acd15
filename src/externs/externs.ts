/**
 * The kernel symbols of one object while it is loaded: resolved once, written into each of its
 * programs, then let go.
 *
 * @module
 */

import { BpfError } from "../error.ts";
import type { ObjectSpec, Reference } from "../spec/index.ts";
import type { FileDescriptor } from "../sys/fd.ts";
import { KernelTypes, runningKernel, type SymbolSources } from "./kernel-types.ts";
import { type KsymAnswer, resolveKsyms } from "./ksyms.ts";
import { patchCall, patchLoad, poisonCall } from "./patch.ts";

/** A reference of a program to a kernel symbol. */
export type KsymReference = Extract<Reference, { kind: "ksym" | "kfunc" }>;

/** The kernel symbols that an object asks for, on this kernel. */
export class Externs implements Disposable {
  readonly #types: KernelTypes;
  readonly #answers: ReadonlyMap<string, KsymAnswer>;
  /** Places among all externs: configuration values first, then symbols by name. */
  readonly #places: ReadonlyMap<string, number>;

  /**
   * Resolves all of them. `sources` may stand in for the running kernel.
   *
   * @throws BpfError with code `ERR_EXTERN` for one that must be there and is not; UnsupportedError
   * when the kernel has no types.
   */
  constructor(
    spec: Pick<ObjectSpec, "btf" | "kconfig" | "ksyms">,
    sources: SymbolSources = runningKernel,
  ) {
    this.#types = new KernelTypes(sources);
    const sorted = spec.ksyms.map(({ name }) => name).sort();
    this.#places = new Map(sorted.map((name, index) => [name, spec.kconfig.length + index]));
    try {
      this.#answers =
        spec.ksyms.length === 0 ? new Map() : resolveKsyms(spec, this.#types, sources);
    } catch (error) {
      this.#types.close();
      throw error;
    }
  }

  /**
   * Descriptors of modules that instructions refer to, to be kept open until programs are loaded.
   */
  get descriptors(): FileDescriptor[] {
    return this.#types.descriptors;
  }

  /**
   * Numbers of {@link descriptors} from index 1 on, for `BPF_PROG_LOAD`; undefined when no module
   * is used.
   */
  get fdArray(): Int32Array | undefined {
    const { descriptors } = this;
    if (descriptors.length === 0) return undefined;
    return Int32Array.of(0, ...descriptors.map((fd) => fd.number));
  }

  /**
   * Writes a symbol into the instructions of `program`. Returns what to say when the verifier gets
   * to the instruction, which it shall not: a call of a weak function that the kernel does not
   * have.
   *
   * @throws BpfError with code `ERR_EXTERN` for the call of what is no function.
   */
  patch(
    program: string,
    view: DataView,
    little: boolean,
    { slot, kind, name }: KsymReference,
  ): string | undefined {
    const answer = this.#answers.get(name);
    if (answer === undefined) {
      throw this.#error(program, `it refers to ${name}, which is not among the object's externs`);
    }
    if (kind === "ksym") {
      patchLoad(view, slot, little, answer);
      return undefined;
    }
    switch (answer.kind) {
      case "function":
        patchCall(view, slot, little, answer);
        return undefined;
      case "absent":
        poisonCall(view, slot, little, this.#places.get(name) ?? 0);
        return `${answer.why}, and the call of ${name} is not guarded by bpf_ksym_exists(${name})`;
      default:
        throw this.#error(program, `it calls ${name}, which the object declares as a variable`);
    }
  }

  /** Closes the descriptors. Closing twice does nothing. */
  close(): void {
    this.#types.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #error(program: string, what: string): BpfError {
    return new BpfError(`load program ${program}: ${what}`, { code: "ERR_EXTERN" });
  }
}
