/**
 * Opens the events of kprobes: by the kernel's kprobe unit, or by way of tracefs where there is none and for what it cannot be asked.
 *
 * @module
 */

import { existsSync } from "node:fs";
import { SyscallError, UnsupportedError } from "../src/error.ts";
import type { FileDescriptor } from "../src/sys/fd.ts";
import { kernelFunctionNames } from "../src/sys/kallsyms.ts";
import { perfEventOpen } from "../src/sys/perf.ts";
import { failedWith, type KernelCalls } from "./kernel-calls.ts";
import type { KprobeOptions } from "./kprobe.ts";
import type { Removal } from "./link.ts";
import type { ProbeUnit } from "./pmu.ts";
import type { SymbolOffset } from "./symbol-offset.ts";
import { hasTracefsProbes, openTracefsProbe } from "./tracefs-probe.ts";

const ENOENT = 2;
const LIST = "kprobe_events";
/** `KSYM_NAME_LEN` of include/linux/kallsyms.h, and the name of a module. */
const LONGEST_SYMBOL = 512 + 56;

/** A place as the kernel takes it: a symbol, or an address without one. */
export type Place = SymbolOffset & { address?: bigint };

/** An event, disabled, and how to remove what is left of it once it is closed. */
export interface OpenKprobe {
  event: FileDescriptor;
  remove?: Removal;
}

/** Undefined where the probe is put by way of tracefs. */
export function kprobeUnit(
  { maxactive, tracefs }: Pick<KprobeOptions, "maxactive" | "tracefs">,
  kernel: KernelCalls,
): ProbeUnit | undefined {
  if (tracefs === true || maxactive !== undefined) return undefined;
  try {
    return kernel.probeUnit("kprobe");
  } catch (error) {
    // A kernel that was built without both has said what it needs.
    if (error instanceof UnsupportedError && tracefs !== false && hasTracefsProbes(LIST)) {
      return undefined;
    }
    throw error;
  }
}

/** Opens the event of a kprobe; without a unit by way of tracefs. Throws SyscallError. */
export function openKprobe(
  unit: ProbeUnit | undefined,
  place: Place,
  probe: { isReturn: boolean; maxactive: number | undefined },
  target: string,
): OpenKprobe {
  if (place.symbol.length > LONGEST_SYMBOL) throw absent(undefined, target);
  const byTracefs = (): OpenKprobe => {
    if (!isName(place) || !isModuleThere(place)) throw absent(undefined, target);
    try {
      return openTracefsProbe({ list: LIST, place: placeText(place), ...probe }, target);
    } catch (error) {
      throw isMissing(error, place) ? absent(error, target) : error;
    }
  };
  if (unit === undefined) return byTracefs();
  try {
    return { event: openByUnit(unit, place, probe.isReturn, target) };
  } catch (error) {
    // Older units take no symbol with a dot, which compilers give to functions that they have changed; tracefs does.
    if (failedWith(error, "EINVAL") && place.symbol.includes(".") && hasTracefsProbes(LIST)) {
      return byTracefs();
    }
    throw error;
  }
}

function openByUnit(
  unit: ProbeUnit,
  { symbol, offset, address }: Place,
  isReturn: boolean,
  target: string,
): FileDescriptor {
  return perfEventOpen(
    {
      type: unit.type,
      config: isReturn ? unit.retprobe : 0n,
      // Without a symbol the second is an address (perf_event.h: kprobe_func, kprobe_addr).
      config1: address === undefined ? symbol : 0,
      config2: address ?? offset,
      bits: ["disabled"],
    },
    // One event is enough: the program runs on every CPU that comes by.
    -1,
    0,
    undefined,
    0,
    `event of ${target}`,
  );
}

/** The place as people and tracefs write it. */
export function placeText({ symbol, offset, address }: Place): string {
  if (address !== undefined) return `0x${address.toString(16)}`;
  return offset === 0 ? symbol : `${symbol}+0x${offset.toString(16)}`;
}

/**
 * Anything else would be more than one word of tracefs's command, or more than one command; a number would be an address, and
 * `%return` makes a return probe.
 */
function isName({ symbol }: Place): boolean {
  return !/[\s#\0%]|^(?:0x[\da-f]+|\d+)$/i.test(symbol);
}

/** tracefs takes `MODULE:SYMBOL` of a module that is not loaded, too, for when it will be. */
function isModuleThere({ symbol }: Place): boolean {
  const colon = symbol.indexOf(":");
  if (colon === -1) return true;
  const module = symbol.slice(0, colon);
  return /^[\w-]+$/.test(module) && existsSync(`/sys/module/${module}/initstate`);
}

/** From Linux 6.7 on tracefs says EINVAL of a symbol that is not there, as of one that may not be probed. */
function isMissing(error: unknown, { symbol, address }: Place): boolean {
  if (address !== undefined || !failedWith(error, "EINVAL")) return false;
  const names = kernelFunctionNames();
  return names.length > 0 && !names.includes(symbol.slice(symbol.indexOf(":") + 1));
}

function absent(cause: unknown, target: string): SyscallError {
  return new SyscallError(`put ${target}`, { errno: ENOENT, syscall: "write", cause });
}
