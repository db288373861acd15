/**
 * What a rule of this folder works with: the facts of a refusal, and the cause that it makes of them.
 *
 * @module
 */

import type { Reference } from "../spec/types.ts";
import { CAP_SYS_ADMIN } from "../sys/capabilities.ts";
import { isOlder } from "../sys/kernel.ts";
import { nameOf, ProgramType } from "../uapi.ts";
import type { LogStep, VerifierLog } from "./log.ts";
import { type Origin, originOf } from "./origin.ts";
import { type ProgramPlaces, placeOf, type SourcePlace, whereText } from "./place.ts";

/** Why a program is refused, as a word for programs. */
export type CauseKind =
  | "argument"
  | "context"
  | "feature-missing"
  | "helper-missing"
  | "helper-not-allowed"
  | "kernel-lacks"
  | "kernel-policy"
  | "kernel-pointer"
  | "license"
  | "lock"
  | "loop"
  | "not-a-pointer"
  | "null-pointer"
  | "object-types"
  | "other"
  | "out-of-bounds"
  | "pointer-arithmetic"
  | "read-only"
  | "reference-leak"
  | "return-value"
  | "sleepable"
  | "stack"
  | "too-complex"
  | "unbounded"
  | "uninitialised"
  | "unreachable"
  | "use-after-release";

/** Why a program is refused, and what would help. */
export interface Cause {
  kind: CauseKind;
  /** In words that are the same on all kernels. */
  problem: string;
  /** What would help. */
  hint?: string | undefined;
  /** The instruction to point at where it is not the last one of the log. */
  slot?: number | undefined;
  place?: SourcePlace | undefined;
}

/** The program that was refused, as far as it is known. */
export interface RefusedProgram extends ProgramPlaces {
  name: string;
  type: number;
  license: string;
  instructions: Uint8Array;
  references?: readonly Reference[] | undefined;
  /** What is known of an instruction that loading replaced, such as a CO-RE access that does not exist. */
  explain?: ((slot: number) => string | undefined) | undefined;
  /** Why the kernel did not take the object's types, where it did not. */
  typesProblem?: string | undefined;
}

/** What of the running kernel matters for a refusal. */
export interface KernelFacts {
  release: { text: string; major: number; minor: number };
  /** `none`, `integrity` or `confidentiality`; undefined where the kernel does not tell. */
  lockdown: string | undefined;
  capabilities: bigint | undefined;
  /** Whether they are the machine's, and not those of a user namespace. */
  isFirstUserNamespace?: boolean | undefined;
}

/** What is known of a refusal. */
export class Facts {
  readonly log: VerifierLog;
  /** The complaints, a line each. */
  readonly complaint: string;
  readonly program: RefusedProgram;
  readonly errno: number;
  readonly #kernel: () => KernelFacts;

  constructor(
    log: VerifierLog,
    program: RefusedProgram,
    errno: number,
    complaint: string,
    kernel: () => KernelFacts,
  ) {
    this.log = log;
    this.program = program;
    this.errno = errno;
    this.complaint = complaint;
    this.#kernel = kernel;
  }

  get kernel(): KernelFacts {
    return this.#kernel();
  }

  /** Whether this process has a capability, or CAP_SYS_ADMIN; undefined where that is not known. */
  has(capability: bigint): boolean | undefined {
    const { capabilities } = this.kernel;
    if (capabilities === undefined) return undefined;
    return (((capabilities >> capability) | (capabilities >> CAP_SYS_ADMIN)) & 1n) === 1n;
  }

  /** The program's type as the kernel calls it, such as `socket_filter`. */
  get typeName(): string {
    return nameOf(ProgramType, this.program.type);
  }

  /** Whether the running kernel is older than a release, such as `6.1`. */
  isOlderThan(release: string): boolean {
    return isOlder(this.kernel.release, release);
  }

  /** The instruction that was refused. */
  get step(): LogStep | undefined {
    return this.log.last;
  }

  /** The function that the refused instruction calls, such as `bpf_map_lookup_elem`. */
  get called(): string | undefined {
    return calledBy(this.step?.text ?? "");
  }

  /** Whether the refused instruction writes memory. */
  get writes(): boolean {
    return /^\*\(|^lock |^[rw]\d+ = (atomic|cmpxchg|xchg)/.test(this.step?.text ?? "");
  }

  /** The function that the refused instruction is in, where the object tells. */
  get function(): string | undefined {
    const slot = this.step?.slot;
    return slot === undefined ? undefined : placeOf(this.program, slot)?.function;
  }

  /** Where a register came from, as it was before the refused instruction. */
  originOf(register: number, step: LogStep | undefined = this.step): Origin | undefined {
    return step === undefined ? undefined : originOf(this.log, step, register);
  }

  /** ` (file.c:7)` of an instruction; empty where its source is not known, or that of `besides`. */
  at(slot: number | undefined, besides?: number): string {
    const place = slot === undefined ? undefined : placeOf(this.program, slot);
    const other = besides === undefined ? undefined : placeOf(this.program, besides);
    return place === undefined || place.line === other?.line ? "" : ` (${whereText(place)})`;
  }

  /** The variable that is given what a call returned, in the line of C that calls; undefined where it is not plain. */
  variableOf(origin: Origin | undefined): string | undefined {
    if (origin?.kind !== "call" || origin.step === undefined) return undefined;
    const text = placeOf(this.program, origin.step.slot)?.text ?? "";
    const given = new RegExp(`(\\w+)\\s*=\\s*(?:\\([^()]*\\)\\s*)?${origin.text}\\s*\\(`, "g");
    const [first, ...others] = text.matchAll(given);
    return others.length > 0 ? undefined : first?.[1];
  }

  /** The map that a call was given first; undefined where the log does not tell. */
  mapOf(origin: Origin): string | undefined {
    const first = origin.kind === "call" ? this.originOf(1, origin.step) : undefined;
    const slot = first?.kind === "pointer" ? first.step?.slot : undefined;
    const found = this.program.references?.find((one) => one.slot === slot && one.kind === "map");
    return found?.name;
  }
}

/** The function that an instruction calls by its name. */
export function calledBy(text: string): string | undefined {
  const name = /^call (\w+)(?:#-?\d+)?$/.exec(text)?.[1];
  return name === "unknown" ? undefined : name;
}

/** Recognises a complaint: the first rule whose expression matches one line, or more, of it. */
export interface Rule {
  match: RegExp;
  cause: (found: RegExpExecArray, facts: Facts) => Cause;
}
