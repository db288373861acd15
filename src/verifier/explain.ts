/**
 * From a log to its cause: asks the rules, in the order in which they are surest.
 *
 * @module
 */

import type { Cause, Facts, Rule } from "./cause.ts";
import { controlRules } from "./control.ts";
import { helperRules } from "./helpers.ts";
import { kernelRules, poisoned } from "./kernel.ts";
import { memoryRules } from "./memory.ts";
import { pointerRules } from "./pointers.ts";
import { privilegeRules } from "./privileges.ts";
import { referenceRules } from "./references.ts";

const RULES: readonly Rule[] = [
  ...referenceRules,
  ...privilegeRules,
  ...pointerRules,
  ...memoryRules,
  ...controlRules,
  ...helperRules,
  ...kernelRules,
];

/** Why the program was refused; what the verifier said itself where no rule knows its words. */
export function causeOf(facts: Facts): Cause {
  const known = poisoned(facts);
  if (known !== undefined) return known;
  for (const { match, cause } of RULES) {
    const found = match.exec(facts.complaint);
    if (found !== null) return cause(found, facts);
  }
  return { kind: "other", problem: "" };
}
