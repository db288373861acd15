/**
 * Answers that were found out already, kept for the life of the process.
 *
 * @module
 */

import { readFileSync } from "node:fs";
import { effectiveCapabilities, mayUseBpf } from "../sys/capabilities.ts";
import { type FeatureAnswer, fromError, unknown } from "./answer.ts";

const answers = new Map<string, FeatureAnswer>();

/**
 * The answer that is kept under `key`, else that of `probe`. What could not be found out is not
 * kept: the process may gain privileges.
 */
export function cached(
  key: string,
  since: string | undefined,
  probe: () => FeatureAnswer,
): FeatureAnswer {
  const known = answers.get(key);
  if (known !== undefined) return known;
  let answer: FeatureAnswer;
  try {
    answer = { ...withoutPrivileges(probe()), since };
  } catch (error) {
    answer = { ...fromError(error), since };
  }
  if (answer.state !== "unknown") answers.set(key, answer);
  return answer;
}

/**
 * Where anybody may use bpf(2), the kernel still takes less from those without privileges, and
 * refuses the rest as if it did not know it: such a no says nothing.
 */
function withoutPrivileges(answer: FeatureAnswer): FeatureAnswer {
  const depends = answer.state === "unsupported" && answer.code !== undefined;
  if (!depends || answer.code === "ENOSYS" || isPrivileged()) return answer;
  return unknown(
    "the kernel refuses it, which it may have for want of CAP_BPF in the first user namespace",
    answer.code,
  );
}

function isPrivileged(): boolean {
  const capabilities = effectiveCapabilities();
  if (capabilities !== undefined && !mayUseBpf(capabilities)) return false;
  try {
    // Capabilities of another user namespace are none here.
    return /^\s*0\s+0\s+4294967295\s*$/.test(readFileSync("/proc/self/uid_map", "utf8"));
  } catch {
    return true;
  }
}

/** Forgets all answers. */
export function forgetFeatures(): void {
  answers.clear();
}
