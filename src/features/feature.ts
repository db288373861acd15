/**
 * How a feature with a name is found out.
 *
 * @module
 */

import type { FeatureAnswer } from "./answer.ts";

/** A feature with a name. */
export interface Feature {
  /** In a few words. */
  readonly what: string;
  /** First release that has it. */
  readonly since: string;
  readonly probe: () => FeatureAnswer;
}

/** Puts a feature down. */
export function feature(what: string, since: string, probe: () => FeatureAnswer): Feature {
  return { what, since, probe };
}
