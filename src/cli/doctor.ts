/**
 * `ebpf doctor`: what this process may do on this machine, what stands in the way, and how to get it
 * out of there.
 *
 * @module
 */

import { type Command, CommandError, readArguments } from "./command.ts";
import { type Check, type CheckState, capabilityNames, judgeFacts } from "./doctor-checks.ts";
import { collectFacts } from "./doctor-facts.ts";
import { removeLeftovers } from "./doctor-fix.ts";
import { plain, printJson, printText } from "./output.ts";

const MARKS: Readonly<Record<CheckState, string>> = {
  ok: "ok",
  warning: "warning",
  problem: "PROBLEM",
  unknown: "?",
};

/** Prints what was found; the exit code is 1 when there are problems, or something could not be removed. */
export const doctor: Command = async (args) => {
  const { values, positionals } = readArguments(args, {
    json: { type: "boolean" },
    fix: { type: "boolean" },
  });
  if (positionals.length > 0) {
    throw new CommandError(`doctor takes no arguments, and there is ${positionals[0]}`);
  }
  let facts = collectFacts();
  let failed = 0;
  if (values.fix === true && facts.orphanedProbes.length + facts.orphanedRoutes.length > 0) {
    failed = removeLeftovers(facts);
    facts = collectFacts();
  }
  const checks = judgeFacts(facts);
  const ok = failed === 0 && checks.every(({ state }) => state !== "problem");
  if (values.json === true) {
    const { release, capabilities, config } = facts;
    printJson({
      ok,
      kernel: release.text,
      capabilities: capabilities === undefined ? null : capabilityNames(capabilities),
      checks,
      config: config ?? null,
    });
  } else {
    printText(checks.map(checkText).join(""));
  }
  return ok ? 0 : 1;
};

/** A finding for people: a line, and below it what to do. */
export function checkText({ name, state, found, advice }: Check): string {
  const mark = MARKS[state].padEnd(8);
  const first = `${mark}${name}: ${plain(found)}\n`;
  return advice === null ? first : `${first}${" ".repeat(8)}→ ${plain(advice)}\n`;
}
