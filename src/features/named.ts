/**
 * Features of the running kernel that have a name of their own: kinds of types, what the verifier
 * takes, commands, links.
 *
 * @module
 */

import { didYouMean, nearMatches } from "../near-matches.ts";
import type { FeatureAnswer } from "./answer.ts";
import { cached } from "./cache.ts";
import type { Feature } from "./feature.ts";
import { COMMANDS } from "./named-commands.ts";
import { LINKS } from "./named-links.ts";
import { PROGRAMS } from "./named-programs.ts";
import { TYPES } from "./named-types.ts";

/** The name of a feature that {@link haveFeature} can try. */
export type FeatureName =
  | keyof typeof TYPES
  | keyof typeof PROGRAMS
  | keyof typeof COMMANDS
  | keyof typeof LINKS;

const FEATURES: Readonly<Record<FeatureName, Feature>> = {
  ...TYPES,
  ...PROGRAMS,
  ...COMMANDS,
  ...LINKS,
};

/** The names that {@link haveFeature} knows. */
export const featureNames: readonly FeatureName[] = Object.keys(FEATURES) as FeatureName[];

/** What a feature is, in a few words. */
export function describeFeature(name: FeatureName): string {
  return FEATURES[name].what;
}

/**
 * Whether the running kernel has a feature of {@link featureNames}; kept for the life of the process
 * once it is known.
 *
 * @throws RangeError for a name that is none.
 */
export function haveFeature(name: FeatureName): FeatureAnswer {
  if (!Object.hasOwn(FEATURES, name)) {
    const hint = didYouMean(nearMatches(name, featureNames));
    throw new RangeError(
      `probe a feature: there is no ${JSON.stringify(name)}${hint || `; there are ${featureNames.join(", ")}`}`,
    );
  }
  const { since, probe } = FEATURES[name];
  return cached(`feature ${name}`, since, probe);
}
