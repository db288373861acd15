/**
 * What the kernel is told of how a program will be attached, where it could not attach it as its section says.
 *
 * @module
 */

import { type FeatureName, haveFeature } from "./features/index.ts";
import type { ProgramSpec } from "./spec/index.ts";
import { AttachType } from "./uapi.ts";

/** Links to many places. A program that was not loaded for them may be attached to each place. */
const MANY: ReadonlyMap<number, FeatureName> = new Map([
  [AttachType.TRACE_KPROBE_MULTI, "kprobe_multi"],
  [AttachType.TRACE_UPROBE_MULTI, "uprobe_multi"],
]);

/**
 * The attach type to load a program with: its own, or none for `kprobe.multi` and `uprobe.multi` on kernels without such links. With
 * its own, helpers of a program that is attached in another way could read what is not theirs.
 */
export function attachTypeHere(
  { attachType }: Pick<ProgramSpec, "attachType">,
  have: typeof haveFeature = haveFeature,
): number {
  const feature = MANY.get(attachType);
  return feature !== undefined && have(feature).state === "unsupported" ? 0 : attachType;
}
