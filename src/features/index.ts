/**
 * What the running kernel can do, found out by trying: program types, map types, helpers, and
 * features with names of their own. Releases are never compared, for distributions change kernels.
 *
 * Every answer is `supported`, `unsupported` or `unknown`. A process without privileges gets
 * `unknown`, never a wrong no; so does a machine that is not Linux, or has no koffi.
 *
 * @module
 */

export type { FeatureAnswer, FeatureState } from "./answer.ts";
export { forgetFeatures } from "./cache.ts";
export { haveHelper, noisyHelpers } from "./helpers.ts";
export { haveMapFlag, haveMapType, probedMapFlags } from "./map-types.ts";
export { describeFeature, type FeatureName, featureNames, haveFeature } from "./named.ts";
export { haveProgramType } from "./program-types.ts";
