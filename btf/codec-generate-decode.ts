/**
 * Source text that decodes: reads at fixed offsets inside object literals, so that all objects of a
 * type share one shape and small nested structures and arrays cost no call. See codec-generate.ts
 * for the whole.
 *
 * In this text `v` is the view, `o` where the value starts, `e` where flexible arrays end (0 if
 * there is no more than the value), `p` the path of what is being read, for messages.
 *
 * @module
 */

import { bitsBelow } from "./codec-bits.ts";
import { hasMemory, textFunction } from "./codec-generate-text.ts";
import type { ArrayPlan, BitsPlan, Field, IntegerPlan, Plan, TextPlan } from "./codec-plan.ts";
import { isFlexible } from "./codec-plan.ts";
import { literal, plus, type Source } from "./codec-source.ts";

/** Structures and arrays that make up to so many values are written out where they occur. */
const INLINE_WEIGHT = 16;

/** Writes decoding functions into a source. */
export class DecodeGenerator {
  readonly #source: Source;
  readonly #functions: Map<Plan, string> = new Map();
  readonly #failing: Map<Plan, boolean> = new Map();

  constructor(source: Source) {
    this.#source = source;
  }

  /** The name of a function (v, o, e) that decodes such a value. */
  function(plan: Plan): string {
    let name = this.#functions.get(plan);
    if (name === undefined) {
      name = this.#source.name("d");
      this.#functions.set(plan, name);
      const body =
        plan.kind === "array" && !isInline(plan)
          ? this.#loop(plan)
          : this.#guarded(plan, `return ${this.#written(plan, 0, "")};`, "p");
      this.#source.add(`function ${name}(v, o, e) { ${body} }`);
    }
    return name;
  }

  /** An expression for the value at `o`: written out where that needs no statements. */
  value(plan: Plan): string {
    const tail = isFlexible(plan) ? "e" : "0";
    const isPlain = plan.kind === "record" && isInline(plan) && !this.canFail(plan);
    return isPlain ? this.#written(plan, 0, "") : `${this.function(plan)}(v, o, ${tail})`;
  }

  /** Whether decoding can meet a value that has no exact form. */
  canFail(plan: Plan): boolean {
    let failing = this.#failing.get(plan);
    if (failing === undefined) {
      if (plan.kind === "record") failing = plan.fields.some((field) => this.canFail(field.plan));
      else if (plan.kind === "array") failing = this.canFail(plan.element);
      else failing = "form" in plan && plan.form === "safe";
      this.#failing.set(plan, failing);
    }
    return failing;
  }

  /** An expression for the value at `o + at`; `step` leads to it from the function's own value. */
  #expression(plan: Plan, at: number, step: string, tail: boolean): string {
    if (plan.kind === "record" || plan.kind === "array") {
      if (isInline(plan)) return this.#written(plan, at, step);
      const call = `${this.function(plan)}(v, ${plus("o", at)}, ${tail ? "e" : "0"})`;
      return this.#marked(plan, step, call);
    }
    return this.#marked(plan, step, this.#leaf(plan, at, tail));
  }

  /** A structure as an object literal, a short array as an array literal, others as they are. */
  #written(plan: Plan, at: number, step: string): string {
    if (plan.kind === "record") {
      const members = plan.fields.map((field) => this.#member(field, at, step));
      return `{ ${members.join(", ")} }`;
    }
    if (plan.kind === "array") {
      const { element, length } = plan;
      const values = Array.from({ length }, (_, index) =>
        this.#expression(element, at + index * element.size, `${step}[${index}]`, false),
      );
      return `[${values.join(", ")}]`;
    }
    return this.#expression(plan, at, step, true);
  }

  #member({ name, offset, plan, tail }: Field, at: number, step: string): string {
    // Plain, the key `__proto__` would set the prototype.
    const key = name === "__proto__" ? `[${literal(name)}]` : literal(name);
    return `${key}: ${this.#expression(plan, at + offset, `${step}.${name}`, tail)}`;
  }

  #leaf(plan: Exclude<Plan, { kind: "record" | "array" }>, at: number, tail: boolean): string {
    const { little } = this.#source;
    const offset = plus("o", at);
    switch (plan.kind) {
      case "integer":
        return integer(plan, at, little);
      case "bits":
        return this.#bits(plan, at);
      case "float":
        return `v.getFloat${plan.size * 8}(${offset}, ${little})`;
      case "text":
        if (plan.flexible)
          return `readText(v, ${offset}, restLength(${offset}, ${tail ? "e" : "0"}, 1))`;
        return `${this.#text(plan)}(v, ${offset}, ${plan.size})`;
      case "bytes":
        if (plan.flexible)
          return `readBytes(v, ${offset}, restLength(${offset}, ${tail ? "e" : "0"}, 1))`;
        return `readBytes(v, ${offset}, ${plan.size})`;
    }
  }

  /** The name of a function (v, o, length) for one text member. */
  #text({ size, whole }: TextPlan): string {
    if (hasMemory(size)) return textFunction(this.#source, size, whole);
    return whole ? "readWholeText" : "readText";
  }

  #bits(plan: BitsPlan, at: number): string {
    const { span, bits, signed, form } = plan;
    const { little } = this.#source;
    if (span > 4 || form === "bigint") {
      return `readBits(v, ${plus("o", at)}, ${this.#source.constant(plan)}, ${little})`;
    }
    const bytes = Array.from({ length: span }, (_, index) => {
      const shift = 8 * (little ? index : span - 1 - index);
      const byte = `v.getUint8(${plus("o", at + index)})`;
      return shift === 0 ? byte : `${byte} << ${shift}`;
    });
    const left = 32 - bitsBelow(plan, little) - bits;
    const value = `(${bytes.join(" | ")}) << ${left} ${signed ? ">>" : ">>>"} ${32 - bits}`;
    return form === "boolean" ? `(${value}) !== 0` : value;
  }

  /** The body of a function for an array that is not written out. */
  #loop(plan: ArrayPlan): string {
    const { element, length, flexible } = plan;
    const count = flexible ? `restLength(o, e, ${element.size})` : `${length}`;
    const value = this.#expression(element, 0, "", false);
    const loop = `for (; i < n; i++, o += ${element.size}) r.push(${value});`;
    const body = this.#guarded(element, `${loop} return r;`, '"[" + i + "]" + p');
    return `const n = ${count}, r = []; let i = 0; ${body}`;
  }

  /** Statements that put `path` before that of a fault, if there can be one. */
  #guarded(plan: Plan, statements: string, path: string): string {
    if (!this.canFail(plan)) return statements;
    return `let p = ""; try { ${statements} } catch (c) { throw prefix(c, ${path}); }`;
  }

  #marked(plan: Plan, step: string, expression: string): string {
    return this.canFail(plan) ? `(p = ${literal(step)}, ${expression})` : expression;
  }
}

function isInline(plan: Plan): boolean {
  return plan.weight <= INLINE_WEIGHT && !isFlexible(plan);
}

function integer({ size, signed, form }: IntegerPlan, at: number, little: boolean): string {
  const offset = plus("o", at);
  const sign = signed ? "Int" : "Uint";
  if (size === 1) {
    return form === "boolean" ? `v.getUint8(${offset}) !== 0` : `v.get${sign}8(${offset})`;
  }
  if (size < 8) return `v.get${sign}${size * 8}(${offset}, ${little})`;
  if (form === "bigint") return `v.getBig${sign}64(${offset}, ${little})`;
  const low = plus("o", at + (little ? 0 : 4));
  const high = plus("o", at + (little ? 4 : 0));
  return `safe(v.get${sign}32(${high}, ${little}), v.getUint32(${low}, ${little}))`;
}
