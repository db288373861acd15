/**
 * The performance monitoring units that make probes (`kprobe`, `uprobe`), as sysfs describes them. It opens no event.
 *
 * Type numbers differ between boots, and the bit that asks for a return probe is data, too
 * (`Documentation/ABI/testing/sysfs-bus-event_source-devices-format`).
 *
 * @module
 */

import { readFileSync } from "node:fs";
import { UnsupportedError } from "../src/error.ts";

const DEVICES = "/sys/bus/event_source/devices";

/** How to ask one probe unit for an event. */
export interface ProbeUnit {
  /** `perf_event_attr.type`. */
  type: number;
  /** `perf_event_attr.config` of a return probe. */
  retprobe: bigint;
  /** Where the offset of a reference counter (semaphore) stands in `config`; undefined before Linux 4.20. */
  refCtrOffset: { shift: bigint; bits: bigint } | undefined;
}

/**
 * Reads the description of a probe unit, Linux 4.17.
 *
 * @throws UnsupportedError when the kernel has no such unit or sysfs is not mounted.
 */
export function probeUnit(name: "kprobe" | "uprobe", devices: string = DEVICES): ProbeUnit {
  const folder = `${devices}/${name}`;
  let type: string;
  let retprobe: string;
  try {
    type = readFileSync(`${folder}/type`, "utf8").trim();
    retprobe = readFileSync(`${folder}/format/retprobe`, "utf8").trim();
  } catch (cause) {
    throw new UnsupportedError(
      `the kernel offers no ${name} events: ${folder} cannot be read; ` +
        `it needs CONFIG_${name.toUpperCase()}_EVENTS, and sysfs mounted on /sys`,
      { feature: `${name} perf events`, since: "4.17", cause },
    );
  }
  const bit = parseFormat(retprobe);
  if (!/^\d{1,9}$/.test(type) || bit === undefined) {
    throw new UnsupportedError(
      `${folder} says type "${type}" and retprobe "${retprobe}", which this package does not understand`,
      { feature: `${name} perf events` },
    );
  }
  return {
    type: Number(type),
    retprobe: 1n << bit.shift,
    refCtrOffset: name === "uprobe" ? counterFormat(folder) : undefined,
  };
}

function counterFormat(folder: string): ProbeUnit["refCtrOffset"] {
  try {
    return parseFormat(readFileSync(`${folder}/format/ref_ctr_offset`, "utf8").trim());
  } catch {
    // The file came with the feature; without it the kernel has no reference counters.
    return undefined;
  }
}

/** `config:0` or `config:32-63`; undefined for anything else, other words of the attribute included. */
function parseFormat(text: string): { shift: bigint; bits: bigint } | undefined {
  const match = /^config:(\d{1,2})(?:-(\d{1,2}))?$/.exec(text);
  if (match === null) return undefined;
  const first = Number(match[1]);
  const last = Number(match[2] ?? match[1]);
  if (last > 63 || last < first) return undefined;
  return { shift: BigInt(first), bits: BigInt(last - first + 1) };
}
