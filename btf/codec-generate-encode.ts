/**
 * Source text that encodes: the usual value is checked in place and written, anything else goes to
 * the same functions that the interpreted back-end calls. See codec-generate.ts for the whole.
 *
 * In this text `v` is the view, `o` where the value goes, `x` the value, `m` its members, `p` the
 * path of what is being written, for messages.
 *
 * @module
 */

import { isInherited, type Shape, shapeOf } from "./codec-object.ts";
import type { ArrayPlan, Choice, IntegerPlan, Part, Plan, RecordPlan } from "./codec-plan.ts";
import { isOptional } from "./codec-plan.ts";
import { literal, plus, type Source } from "./codec-source.ts";

/** Writes encoding functions into a source. */
export class EncodeGenerator {
  readonly #source: Source;
  readonly #functions: Map<Plan, string> = new Map();

  constructor(source: Source) {
    this.#source = source;
  }

  /** The name of a function (v, o, x) that encodes such a value into zeroed memory. */
  function(plan: Plan): string {
    let name = this.#functions.get(plan);
    if (name === undefined) {
      name = this.#source.name("w");
      this.#functions.set(plan, name);
      this.#source.add(`function ${name}(v, o, x) { ${this.#body(plan)} }`);
    }
    return name;
  }

  #body(plan: Plan): string {
    if (plan.kind === "record") return this.#record(plan);
    if (plan.kind === "array") return this.#array(plan);
    return this.#statement(plan, 0, "x");
  }

  /** A statement that writes the value of an expression without side effects to `o + at`. */
  #statement(plan: Plan, at: number, value: string): string {
    const { little } = this.#source;
    const offset = plus("o", at);
    switch (plan.kind) {
      case "integer":
        return `v.${integer(plan, offset, value, little)};`;
      case "bits": {
        const { bits, signed, form } = plan;
        const checked =
          form === "boolean"
            ? `Number(toBoolean(${value}))`
            : `toBigint(${value}, ${bits}, ${signed})`;
        return `writeBits(v, ${offset}, ${this.#source.constant(plan)}, ${little}, ${checked});`;
      }
      case "float":
        return `v.setFloat${plan.size * 8}(${offset}, toFloat(${value}, ${plan.size}), ${little});`;
      case "text":
        if (plan.flexible) return `writeFlexibleText(v, ${offset}, ${value});`;
        return `write${plan.whole ? "Whole" : ""}Text(v, ${offset}, ${value}, ${plan.size});`;
      case "bytes":
        return plan.flexible
          ? `writeFlexibleBytes(v, ${offset}, ${value});`
          : `writeBytes(v, ${offset}, ${value}, ${plan.size});`;
      default:
        return `${this.function(plan)}(v, ${offset}, ${value});`;
    }
  }

  #array({ element, length, flexible, size }: ArrayPlan): string {
    return [
      `if (writeRawArray(v, o, x, ${flexible ? "undefined" : length}, ${size})) return;`,
      `const n = ${flexible ? "x.length" : length};`,
      "let i = 0; try {",
      `for (; i < n; i++, o += ${element.size}) {`,
      `const m = x[i]; ${this.#statement(element, 0, "m")}`,
      '} } catch (c) { throw prefix(c, "[" + i + "]"); }',
    ].join(" ");
  }

  #record(plan: RecordPlan): string {
    const shape = shapeOf(plan);
    const members = plan.fields.map(({ name }) => {
      return isInherited(name) ? `memberOf(x, ${literal(name)})` : `x[${literal(name)}]`;
    });
    const raw = `if (writeRawRecord(v, o, x, ${this.#source.constant(shape)})) return;`;
    return `${raw} const m = [${members.join(", ")}]; ${this.#parts(plan.parts, shape)}`;
  }

  /** Statements that write the parts of a record, or of a view of it. */
  #parts(parts: readonly Part[], shape: Shape): string {
    const statements = parts.map((part) => {
      if ("choice" in part) return `p = ""; ${this.#choice(part.choice, shape)}`;
      const field = shape.plan.fields[part.field]!;
      const value = `m[${part.field}]`;
      const statement = this.#statement(field.plan, field.offset, value);
      const marked = `p = ${literal(`.${field.name}`)}; ${statement}`;
      return isOptional(field) ? `if (${value} !== undefined) { ${marked} }` : marked;
    });
    return `let p = ""; try { ${statements.join("\n")} } catch (c) { throw prefix(c, p); }`;
  }

  #choice(choice: Choice, shape: Shape): string {
    const writers = choice.views.map((view) => {
      const name = this.#source.name("c");
      this.#source.add(`function ${name}(v, o, m) { ${this.#parts(view.parts, shape)} }`);
      return name;
    });
    const list = this.#source.name("l");
    this.#source.add(`const ${list} = [${writers.join(", ")}];`);
    const constants = `${this.#source.constant(choice)}, ${this.#source.constant(shape)}`;
    return `writeChoice(v, o, ${constants}, m, ${list}, ${this.#source.little});`;
  }
}

/** Tests that a number, and not a bigint or text, is of the type; -0 passes as 0. */
const RANGES: Readonly<Record<string, (value: string) => string>> = {
  u8: (value) => `(${value} & 255) === ${value}`,
  s8: (value) => `${value} << 24 >> 24 === ${value}`,
  u16: (value) => `(${value} & 65535) === ${value}`,
  s16: (value) => `${value} << 16 >> 16 === ${value}`,
  u32: (value) => `${value} >>> 0 === ${value}`,
  s32: (value) => `(${value} | 0) === ${value}`,
};

/** An expression that tells whether a value is of the usual kind, which is written as it is, and fits. */
export function fits({ size, signed }: IntegerPlan, value: string): string {
  if (size === 8) {
    const wrapped = `BigInt.as${signed ? "Int" : "Uint"}N(64, ${value})`;
    return `typeof ${value} === "bigint" && ${wrapped} === ${value}`;
  }
  return `typeof ${value} === "number" && ${RANGES[`${signed ? "s" : "u"}${size * 8}`]!(value)}`;
}

/** The call of a view's method that writes a value that fits. */
export function setter(plan: IntegerPlan, offset: string, value: string, little: boolean): string {
  const { size, form } = plan;
  if (form === "boolean") return `setUint8(${offset}, ${value} ? 1 : 0)`;
  return `set${size === 8 ? "Big" : ""}Uint${size * 8}(${offset}, ${value}, ${little})`;
}

function integer(plan: IntegerPlan, offset: string, value: string, little: boolean): string {
  const { size, signed, form } = plan;
  if (form === "boolean") return setter(plan, offset, `toBoolean(${value})`, little);
  const convert = size === 8 ? "toBigint" : "toNumber";
  const other = `${convert}(${value}, ${size * 8}, ${signed})`;
  return setter(plan, offset, `${fits(plan, value)} ? ${value} : ${other}`, little);
}
