/**
 * Maps of events that are ring buffers where the kernel has them, and perf event arrays elsewhere.
 *
 * The programs decide likewise when they are relocated, by
 * `bpf_core_type_exists(struct bpf_ringbuf)`: the branch that does not fit is removed as dead code.
 *
 * @module
 */

import { haveMapType } from "./features/index.ts";
import type { MapSpec } from "./spec/index.ts";
import { MapType, nameOf } from "./uapi.ts";

/** Which map carries the events. */
export type EventMapKind = "ring" | "perf";

/**
 * Makes a map of events, either kind of which the object may have declared, a ring buffer where the
 * running kernel has them (Linux 5.8), and else a perf event array with a place for each CPU. Says
 * which; `kind` decides in the kernel's place. Both are read by the same methods; a perf event array
 * also gives `LostEvents`, and its buffers have their size from `openBuffers()`.
 *
 * The spec is changed; the type of its events stays. A ring has the size that the object gave it,
 * or `bytes`, 256 KiB by default, where it gave none.
 *
 * @throws TypeError when the map is of another type.
 */
export function ringOrPerf(
  map: MapSpec,
  options: { kind?: EventMapKind | undefined; bytes?: number | undefined } = {},
): EventMapKind {
  const { RINGBUF, PERF_EVENT_ARRAY } = MapType;
  if (map.type !== RINGBUF && map.type !== PERF_EVENT_ARRAY) {
    throw new TypeError(
      `choose ring or perf for map ${map.name}: it is of type ${nameOf(MapType, map.type)}, neither ringbuf nor perf_event_array`,
    );
  }
  const { kind = ringOrPerfOfKernel(), bytes = 0x4_0000 } = options;
  if (kind !== "ring" && kind !== "perf") {
    throw new TypeError(`choose ring or perf for map ${map.name}: kind is ${String(kind)}`);
  }
  if (kind === "ring" && map.type !== RINGBUF) {
    // The key of a perf event array is a CPU, its number of entries that of CPUs.
    Object.assign(map, { type: RINGBUF, keySize: 0, keyType: 0, valueSize: 0, maxEntries: bytes });
  }
  if (kind === "perf" && map.type !== PERF_EVENT_ARRAY) {
    // No entries: as many as there are CPUs.
    Object.assign(map, {
      type: PERF_EVENT_ARRAY,
      keySize: 4,
      valueSize: 4,
      maxEntries: 0,
      flags: 0,
    });
  }
  return kind;
}

/** What cannot be found out is taken for a kernel of today. */
function ringOrPerfOfKernel(): EventMapKind {
  return haveMapType(MapType.RINGBUF).state === "unsupported" ? "perf" : "ring";
}
