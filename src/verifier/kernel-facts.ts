/**
 * What of the running kernel and of this process may explain a refusal; read when it is asked for.
 *
 * @module
 */

import { readFileSync } from "node:fs";
import { effectiveCapabilities } from "../sys/capabilities.ts";
import { release } from "../sys/kernel.ts";
import { inFirstUserNamespace } from "../sys/user-namespace.ts";
import type { KernelFacts } from "./cause.ts";

/** The facts of now. */
export function kernelFacts(): KernelFacts {
  return {
    release: release(),
    lockdown: lockdown(),
    capabilities: effectiveCapabilities(),
    isFirstUserNamespace: inFirstUserNamespace(),
  };
}

/** The mode in brackets of `none [integrity] confidentiality`. */
export function parseLockdown(text: string): string | undefined {
  return /\[(\w+)\]/.exec(text)?.[1];
}

function lockdown(): string | undefined {
  try {
    return parseLockdown(readFileSync("/sys/kernel/security/lockdown", "utf8"));
  } catch {
    // Not mounted, or a kernel without it.
    return undefined;
  }
}
