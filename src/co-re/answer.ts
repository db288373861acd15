/**
 * Decides what a kernel answers to a question when several of its types could: all that answer must agree.
 *
 * As in libbpf's `bpf_core_calc_relo_insn`, types that answer one question about a root type are the only ones asked the next
 * question about it. Such a narrowed choice is a set of its own, so that answers can be kept for good.
 *
 * @module
 */

import { Kind, typeName } from "../../btf/index.ts";
import { BpfError } from "../error.ts";
import { explainMissing } from "./explain.ts";
import { absenceIsAnswer, CoreKind, coreKindName } from "./kind.ts";
import type { LocalObject, LocalQuestion, LocalRoot } from "./local-object.ts";
import { matchCandidate, type Place } from "./match.ts";
import type { CoreOutcome, CoreResult } from "./result.ts";
import type { Candidate } from "./target.ts";
import type { TypeReader } from "./type-reader.ts";
import { highWord, lowWord, type Value, valueAt } from "./value.ts";

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
  readonly #local: LocalObject;
  readonly #root: LocalRoot;
  readonly #candidates: readonly Candidate[];
  readonly #answers: Map<LocalQuestion, Answer> = new Map();

  constructor(local: LocalObject, root: LocalRoot, candidates: readonly Candidate[]) {
    this.#local = local;
    this.#root = root;
    this.#candidates = candidates;
  }

  /** The answer to a question about the root type; never throws for what objects or kernels hold. */
  answer(question: LocalQuestion): Answer {
    let answer = this.#answers.get(question);
    if (answer === undefined) {
      answer = this.#decide(question);
      this.#answers.set(question, answer);
    }
    return answer;
  }

  #decide(question: LocalQuestion): Answer {
    const { access, value: local } = question;
    if (access === undefined || local === undefined || this.#root.name === "") {
      return { result: unanswerable(question), rest: this };
    }
    const types = this.#local.types;
    const matches: Match[] = [];
    try {
      for (const candidate of this.#candidates) {
        const place = matchCandidate(question.kind, types, access, candidate.types, candidate.id);
        if (place === undefined) continue;
        // Of several kernels and byte orders, the object's is the one that the program runs with.
        const little = types.btf.littleEndian;
        const match = {
          candidate,
          place,
          value: valueAt(question.kind, candidate.types, place, little),
        };
        const conflict = disagreement(question.kind, matches[0], match);
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
      const reason = explainMissing(question, types, access, this.#candidates);
      return { result: missing(question, local, reason), rest: this };
    }
    return { result: found(question, local, types, first), rest: this.#narrowed(matches) };
  }

  #narrowed(matches: readonly Match[]): CandidateSet {
    if (matches.length === this.#candidates.length) return this;
    const candidates = matches.map(({ candidate }) => candidate);
    return new CandidateSet(this.#local, this.#root, candidates);
  }
}

/** The result for a question that is not put to any kernel: the object's own type id, or one that makes no sense. */
export function unanswerable(question: LocalQuestion): CoreResult {
  const { kind, root, value, fault } = question;
  if (fault !== undefined) return failure(question, "error", fault);
  if (kind === CoreKind.TYPE_ID_LOCAL && value !== undefined) {
    return result(question, "found", value.value, false, undefined);
  }
  const text = `${coreKindName(kind)} of ${root.text}: a type without a name cannot be looked for`;
  return failure(question, "error", text);
}

function failure(
  question: LocalQuestion,
  outcome: "ambiguous" | "error",
  message: string,
): CoreResult {
  return result(question, outcome, undefined, false, message);
}

function missing(question: LocalQuestion, local: Value, message: string): CoreResult {
  const answered = absenceIsAnswer(question.kind);
  return result(question, "missing", answered ? 0 : undefined, answered && local.certain, message);
}

/** A result without a place in the target; it is poison where there is no number. */
function result(
  question: LocalQuestion,
  outcome: CoreOutcome,
  targetValue: number | bigint | undefined,
  certain: boolean,
  message: string | undefined,
): CoreResult {
  // Written out, here and below: spreading the common part took half the time of a whole relocation.
  return {
    kind: question.kind,
    root: question.root.text,
    accessor: question.accessor,
    path: question.path,
    outcome,
    poison: targetValue === undefined,
    localValue: question.value?.value,
    targetValue,
    certain,
    localSize: question.value?.size ?? 0,
    targetSize: 0,
    resizable: false,
    targetType: 0,
    module: undefined,
    message,
  };
}

function found(
  question: LocalQuestion,
  local: Value,
  types: TypeReader,
  { candidate, value }: Match,
): CoreResult {
  return {
    kind: question.kind,
    root: question.root.text,
    accessor: question.accessor,
    path: question.path,
    outcome: "found",
    poison: false,
    localValue: local.value,
    targetValue: value.value,
    certain: local.certain,
    localSize: local.size,
    targetSize: value.size,
    resizable:
      local.size === value.size ||
      keepsValue(types, local.sizeType, candidate.types, value.sizeType),
    targetType: candidate.id,
    module: candidate.module,
    message: undefined,
  };
}

/** Whether reading a field in its new size gives the same number: pointers, and integers that are not signed. */
function keepsValue(
  local: TypeReader,
  localId: number,
  target: TypeReader,
  targetId: number,
): boolean {
  const ours = local.btf.type(localId);
  const theirs = target.btf.type(targetId);
  if (ours.kind === Kind.PTR && theirs.kind === Kind.PTR) return true;
  if (ours.kind !== Kind.INT || theirs.kind !== Kind.INT) return false;
  return [ours, theirs].every(({ signed, char, bool }) => !signed || char || bool);
}

/** How a further match contradicts the first one, if it does. */
function disagreement(kind: number, first: Match | undefined, next: Match): string | undefined {
  if (first === undefined) return undefined;
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
