/**
 * The calls of a function in the text of a module, and the text of what they pass. Knows strings,
 * comments and regular expressions as far as brackets in them are concerned, and no other syntax.
 *
 * @module
 */

/** A call: the number of its line, from 1 on, and its arguments as they are written. */
export interface Call {
  readonly line: number;
  readonly parameters: readonly string[];
}

/** What is no code; a slash begins a regular expression where no value stands before it. */
const SKIPPED =
  /"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'|`(?:[^`\\]|\\[\s\S])*`|\/\/[^\n]*|\/\*[\s\S]*?\*\/|(?<=(?:^|[([{,;:=!?&|>]|\breturn)\s*)\/(?:[^/\\[\n]|\\.|\[(?:[^\]\\\n]|\\.)*\])+\/\w*/y;

/** All calls of `name`, such as `assert.throws`, in the order of the text. */
export function callsOf(name: string, text: string): Call[] {
  const calls: Call[] = [];
  const opening = `${name}(`;
  for (let at = text.indexOf(opening); at >= 0; at = text.indexOf(opening, at + 1)) {
    const line = text.slice(0, at).split("\n").length;
    calls.push({ line, parameters: parametersFrom(text, at + opening.length) });
  }
  return calls;
}

/** The parts between commas, up to the bracket that closes what is open at `start`. */
function parametersFrom(text: string, start: number): string[] {
  const parameters: string[] = [];
  let depth = 0;
  let from = start;
  for (let at = start; at < text.length; ) {
    SKIPPED.lastIndex = at;
    const skipped = SKIPPED.exec(text)?.[0].length ?? 0;
    if (skipped > 0) {
      at += skipped;
      continue;
    }
    const character = text[at]!;
    const closes = ")]}".includes(character);
    if ((closes && depth === 0) || (character === "," && depth === 0)) {
      const parameter = text.slice(from, at).trim();
      if (parameter !== "") parameters.push(parameter);
      if (closes) break;
      from = at + 1;
    } else if (closes) depth--;
    else if ("([{".includes(character)) depth++;
    at++;
  }
  return parameters;
}
