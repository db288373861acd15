/**
 * Maps that are pinned by their names: what is there already is used again, what is not is made.
 *
 * @module
 */

import { join } from "node:path";
import { BpfError } from "../src/error.ts";
import type { MapSpec } from "../src/spec/types.ts";
import { makePinFolder, nameObstacle } from "../src/sys/bpf-file-system.ts";
import type { HandleOptions } from "./handle.ts";
import type { BpfMap } from "./map.ts";
import { openMap } from "./open.ts";

/** How often a pin that comes and goes is looked for. */
const ATTEMPTS = 8;

/** A map, and whether it was made now. */
export interface Pinned {
  readonly map: BpfMap;
  readonly created: boolean;
}

/** The path of a map that is pinned by its name. Throws BpfError with code `ERR_PIN_NAME`. */
export function pinPathOf({ name }: MapSpec, folder: string): string {
  const obstacle = nameObstacle(name);
  if (obstacle === undefined) return join(folder, name);
  const other = name.replaceAll(/[./\0]/g, "_") || "map";
  throw new BpfError(
    `pin map ${name} by its name in ${folder}: ${obstacle}; set name of its spec to another such ` +
      `as ${JSON.stringify(other.slice(0, 200))}, or pinning to 0 to create it without a pin`,
    { code: "ERR_PIN_NAME" },
  );
}

/**
 * Opens the map that is pinned in `folder` by the name of `spec`, or has `create` make one and pins
 * it there. Another process may do the same at any time: the first to pin wins.
 *
 * @throws IncompatibleMapError when what is there is unlike `spec`; BpfError with code
 *   `ERR_PIN_NAME` or `ERR_NOT_BPFFS`; SyscallError; what `create` throws. No descriptor and no pin
 *   is left then.
 */
export function openOrPin(
  spec: MapSpec,
  folder: string,
  options: HandleOptions,
  create: () => BpfMap,
): Pinned {
  const path = pinPathOf(spec, folder);
  for (let attempt = 1; ; attempt++) {
    const found = openUnlessAbsent(path, spec, options);
    if (found !== undefined) return { map: found, created: false };
    makePinFolder(folder, `pin map ${spec.name} at ${path}`);
    const map = create();
    try {
      map.pin(path);
      return { map, created: true };
    } catch (error) {
      map.close();
      const lost = error instanceof BpfError && error.code === "EEXIST";
      if (!lost || attempt === ATTEMPTS) throw error;
    }
  }
}

function openUnlessAbsent(
  path: string,
  spec: MapSpec,
  { int64 }: HandleOptions,
): BpfMap | undefined {
  try {
    return openMap({ path }, { spec, int64 });
  } catch (error) {
    if (error instanceof BpfError && error.code === "ENOENT") return undefined;
    throw error;
  }
}
