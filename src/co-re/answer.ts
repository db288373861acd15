/**
 * Decides what a kernel answers to a question when several of its types could: all that answer must
 * agree.
 *
 * As in libbpf's `bpf_core_calc_relo_insn`, types that answer one question about a root type are
 * the only ones asked the next question about it. Such a narrowed choice is a set of its own, so
 * that answers can be kept for good.
 *
 * @module
 */

import { Kind, typeName } from "../../btf/index.ts";
import { BpfError } from "../error.ts";
import type { Effort } from "./effort.ts";
import { explainMissing } from "./explain.ts";
import { absenceIsAnswer, CoreKind, coreKindName } from "./kind.ts";
import type { LocalAccess, Place } from "./local-access.ts";
import type { LocalQuestion } from "./local-object.ts";
import { matchCandidate } from "./match.ts";
import { type CoreOutcome, CoreResult } from "./result.ts";
import type { Candidate } from "./target.ts";
import type { TypeReader } from "./type-reader.ts";
import { highWord, lowWord, type Value, valueAt } from "./value.ts";

/** BTF_INT_SIGNED and nothing else: libbpf takes a signed character for unsigned here. */
const SIGNED = 1;

/** Types of one name; kernels have a dozen at most, and crafted BTF must not make us list millions. */
export const MAX_CANDIDATES = 100_000;

/** A result, and the candidates that are left for the next question about the same root type. */
export interface Answer {
  readonly result: CoreResult;
  readonly rest: CandidateSet;
}

/** What one candidate says. */
interface Match {
  readonly candidate: Candidate;
  readonly place: Place;
  readonly value: Value;
}

/** Candidates for one root type, and what they answered. */
export class CandidateSet {
  readonly #local: TypeReader;
  readonly #candidates: readonly Candidate[];
  readonly #effort: Effort;
  readonly #answers: Map<LocalQuestion, Answer> = new Map();

  /** `local` reads the object's types; `effort` is what its questions may cost. */
  constructor(local: TypeReader, candidates: readonly Candidate[], effort: Effort) {
    this.#local = local;
    this.#candidates = candidates;
    this.#effort = effort;
  }

  /**
   * The answer to a question about the root type; never throws for what objects or kernels hold.
   */
  answer(question: LocalQuestion): Answer {
    let answer = this.#answers.get(question);
    if (answer === undefined) {
      answer = this.#decide(question);
      this.#answers.set(question, answer);
    }
    return answer;
  }

  #decide(question: LocalQuestion): Answer {
    const { access, value: local, kind, root } = question;
    if (access === undefined || local === undefined || root.name === "") {
      return { result: unanswerable(question), rest: this };
    }
    if (this.#candidates.length > MAX_CANDIDATES) {
      const text = `the kernel has more than ${MAX_CANDIDATES} types of the name ${root.name}`;
      return { result: failure(question, "error", text), rest: this };
    }
    const matches: Match[] = [];
    try {
      for (const candidate of this.#candidates) {
        const { types } = candidate;
        const match = this.#effort.spend(types, () => this.#ask(candidate, kind, access));
        if (match === undefined) continue;
        const [other] = matches;
        const conflict = other === undefined ? undefined : disagreement(kind, other, match);
        if (conflict !== undefined) {
          return { result: failure(question, "ambiguous", conflict), rest: this };
        }
        matches.push(match);
      }
    } catch (error) {
      if (!(error instanceof BpfError)) throw error;
      return { result: failure(question, "error", error.message), rest: this };
    }
    const [first] = matches;
    if (first === undefined) {
      const explain = (): string =>
        explainMissing(kind, this.#local, access, this.#candidates, this.#effort);
      return { result: missing(question, local, explain), rest: this };
    }
    return { result: this.#found(question, local, first), rest: this.#narrowed(matches) };
  }

  #ask(candidate: Candidate, kind: number, access: LocalAccess): Match | undefined {
    const { types, id } = candidate;
    const place = matchCandidate(kind, this.#local, access, types, id);
    if (place === undefined) return undefined;
    // Should the byte orders differ, it is the object's that the program runs with.
    const value = valueAt(kind, types, place, this.#local.btf.littleEndian);
    return { candidate, place, value };
  }

  #found(question: LocalQuestion, local: Value, { candidate, value }: Match): CoreResult {
    const resizable =
      local.size === value.size ||
      keepsValue(this.#local, local.sizeType, candidate.types, value.sizeType);
    return new CoreResult(question, {
      outcome: "found",
      value: value.value,
      certain: local.certain,
      size: value.size,
      resizable,
      type: candidate.id,
      module: candidate.module,
      explain: undefined,
    });
  }

  #narrowed(matches: readonly Match[]): CandidateSet {
    if (matches.length === this.#candidates.length) return this;
    return new CandidateSet(
      this.#local,
      matches.map(({ candidate }) => candidate),
      this.#effort,
    );
  }
}

/**
 * The result for a question that is not put to any kernel: the object's own type id, or one that
 * makes no sense.
 */
export function unanswerable(question: LocalQuestion): CoreResult {
  const { kind, root, value, fault } = question;
  if (fault !== undefined) return failure(question, "error", fault);
  if (kind === CoreKind.TYPE_ID_LOCAL) {
    return withoutPlace(question, "found", value?.value, false, undefined);
  }
  const text = `${coreKindName(kind)} of ${root.text}: a type without a name cannot be looked for`;
  return failure(question, "error", text);
}

function failure(
  question: LocalQuestion,
  outcome: "ambiguous" | "error",
  message: string,
): CoreResult {
  return withoutPlace(question, outcome, undefined, false, () => message);
}

function missing(question: LocalQuestion, local: Value, explain: () => string): CoreResult {
  const answered = absenceIsAnswer(question.kind);
  const value = answered ? 0 : undefined;
  return withoutPlace(question, "missing", value, answered && local.certain, explain);
}

function withoutPlace(
  question: LocalQuestion,
  outcome: CoreOutcome,
  value: number | bigint | undefined,
  certain: boolean,
  explain: (() => string) | undefined,
): CoreResult {
  return new CoreResult(question, {
    outcome,
    value,
    certain,
    size: 0,
    resizable: false,
    type: 0,
    module: undefined,
    explain,
  });
}

/**
 * Whether reading a field in its new size gives the same number: pointers, and integers that are
 * not signed.
 */
function keepsValue(
  local: TypeReader,
  localId: number,
  target: TypeReader,
  targetId: number,
): boolean {
  const kind = local.kind(localId);
  const theirs = target.kind(targetId);
  if (kind === Kind.PTR && theirs === Kind.PTR) return true;
  if (kind !== Kind.INT || theirs !== Kind.INT) return false;
  return local.integerEncoding(localId) !== SIGNED && target.integerEncoding(targetId) !== SIGNED;
}

/** How a further match contradicts the first one, if it does. */
function disagreement(kind: number, first: Match, next: Match): string | undefined {
  const [bits, otherBits] = [first.place.bitOffset, next.place.bitOffset];
  const [value, other] = [first.value.value, next.value.value];
  const which = (match: Match): string => {
    const { types, id, module } = match.candidate;
    return `${typeName(types.btf, id)} [${id}]${module === undefined ? "" : ` of ${module}`}`;
  };
  if (bits !== otherBits) {
    return `ambiguous: bit offset ${bits} in ${which(first)}, ${otherBits} in ${which(next)}`;
  }
  // As 64-bit words, since a 32-bit enumeration may meet one of 64 bits.
  const same = lowWord(value) === lowWord(other) && highWord(kind, value) === highWord(kind, other);
  if (!same) {
    return `ambiguous: ${value} in ${which(first)}, ${other} in ${which(next)}`;
  }
  return undefined;
}
