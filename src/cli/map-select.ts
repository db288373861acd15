/**
 * Opens the map that is meant on the command line, with the types that the kernel has of it.
 *
 * @module
 */

import { type BpfMap, type MapAccessMode, mapInfo, openMap } from "../../maps/index.ts";
import { readOne, readSelector } from "./kernel-objects.ts";
import { MAPS } from "./object-kinds.ts";

/**
 * Opens a map by `12`, a path, a name or what {@link readSelector} takes besides; the caller closes
 * it.
 */
export function openMeant(
  words: readonly string[],
  mode: MapAccessMode,
  raw: boolean | undefined,
): BpfMap {
  const selector = readSelector(words, "map");
  if (selector.by === "pinned") return openMap({ path: selector.path }, { mode, raw });
  const { id } = readOne(MAPS, selector, (fd) => mapInfo(fd));
  return openMap({ id }, { mode, raw });
}
