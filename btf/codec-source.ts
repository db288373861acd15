/**
 * The text of a generated back-end while it grows: functions, and constants that they refer to by
 * name. The one place that turns text into code, and the one that turns foreign names into text.
 *
 * @module
 */

/** Source text of functions that see `helpers` by their names and constants as `k0`, `k1`… */
export class Source {
  readonly little: boolean;
  readonly #helpers: object;
  readonly #functions: string[] = [];
  readonly #constants: unknown[] = [];
  readonly #names: Map<unknown, string> = new Map();
  #count = 0;

  constructor(helpers: object, little: boolean) {
    this.#helpers = helpers;
    this.little = little;
  }

  /** A name that stands for `value`, which need not be text. */
  constant(value: unknown): string {
    let name = this.#names.get(value);
    if (name === undefined) {
      name = `k${this.#constants.length}`;
      this.#constants.push(value);
      this.#names.set(value, name);
    }
    return name;
  }

  /** A new name that starts with `letter`. */
  name(letter: string): string {
    return `${letter}${this.#count++}`;
  }

  /** Adds a function or another declaration. */
  add(text: string): void {
    this.#functions.push(text);
  }

  /** Makes code of it all and evaluates `result`. Throws EvalError where that is not allowed. */
  evaluate(result: string): unknown {
    const helpers = Object.keys(this.#helpers).join(", ");
    const constants = this.#constants.map((_, index) => `k${index}`).join(", ");
    const text = [
      '"use strict";',
      `const { ${helpers} } = helpers;`,
      `const [${constants}] = constants;`,
      ...this.#functions,
      `return ${result};`,
    ].join("\n");
    return new Function("helpers", "constants", text)(this.#helpers, this.#constants);
  }
}

/**
 * Any text as a string literal; names of types and members come from files that nobody has vouched
 * for.
 */
export function literal(text: string): string {
  return JSON.stringify(text);
}

/** Text that adds a constant to a variable. */
export function plus(variable: string, amount: number): string {
  return amount === 0 ? variable : `${variable} + ${amount}`;
}
