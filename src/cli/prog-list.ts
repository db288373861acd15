/**
 * `ebpf prog list` and `show`: what the kernel says of its programs, in JSON under bpftool's names.
 *
 * @module
 */

import { readFileSync } from "node:fs";
import type { Btf } from "../../btf/index.ts";
import { functionRecords } from "../program-code.ts";
import { programInfo } from "../program-info.ts";
import type { FileDescriptor } from "../sys/bpf.ts";
import { nameOf, ProgramType } from "../uapi.ts";
import { type Command, readArguments } from "./command.ts";
import { type Holder, type Holders, holdersOf, holderText, pidsOf } from "./holders.ts";
import { readObjects, readSelector } from "./kernel-objects.ts";
import { PROGRAMS } from "./object-kinds.ts";
import { printJson, printText, table } from "./output.ts";
import { paragraph } from "./show.ts";
import { typesById } from "./types-by-id.ts";

/** The longest name that `struct bpf_prog_info` has room for: it may be cut. */
const LONGEST_NAME = 15;
const NANOSECONDS = 1_000_000_000;

/** A program as JSON has it; what there is not is left out. */
export interface ProgramDescription {
  id: number;
  type: string;
  name: string;
  tag: string;
  gpl_compatible: boolean;
  run_time_ns?: bigint;
  run_cnt?: bigint;
  recursion_misses?: bigint;
  /** Seconds since 1970. */
  loaded_at: number;
  uid: number;
  bytes_xlated: number;
  jited: boolean;
  bytes_jited?: number;
  bytes_memlock?: number;
  verified_insns?: number;
  ifindex?: number;
  map_ids?: readonly number[];
  btf_id?: number;
  attach_btf_obj_id?: number;
  attach_btf_id?: number;
  pids?: readonly Holder[];
}

/** All programs, or those that are meant, as a table. */
export const list: Command = async (args) => run(args, (programs) => tableOf(programs));

/** All programs, or those that are meant, with all that is known of each. */
export const show: Command = async (args) => {
  return run(args, (programs) => {
    return programs
      .map(({ id, name, pids, ...rest }) => {
        const members = { ...rest, held_by: holderText(pids) };
        return paragraph(`program ${id}${name === "" ? "" : ` ${name}`}`, members);
      })
      .join("\n");
  });
};

function run(args: readonly string[], text: (programs: ProgramDescription[]) => string): number {
  const { values, positionals } = readArguments(args, { json: { type: "boolean" } });
  const selector = readSelector(positionals, "program");
  const holders = holdersOf("program");
  const types = typesById();
  const programs = readObjects(PROGRAMS, selector, (fd) => describeProgram(fd, types, holders));
  if (values.json !== true) printText(text(programs));
  // One that was asked for stands by itself, as bpftool prints it.
  else printJson(selector.by === "id" || selector.by === "pinned" ? programs[0] : programs);
  return 0;
}

/** What there is to say of a program. */
export function describeProgram(
  fd: FileDescriptor,
  types: (id: number) => Btf | undefined,
  holders: Holders,
): ProgramDescription {
  const info = programInfo(fd);
  return {
    id: info.id,
    type: nameOf(ProgramType, info.type),
    name: fullName(fd, info, types),
    tag: info.tag,
    gpl_compatible: info.gplCompatible,
    ...(info.runCount === 0n ? {} : { run_time_ns: info.runTime, run_cnt: info.runCount }),
    ...(info.recursionMisses === 0n ? {} : { recursion_misses: info.recursionMisses }),
    loaded_at: loadedAt(info.loadTime),
    uid: info.uid,
    bytes_xlated: info.translatedSize,
    jited: info.compiledSize > 0,
    ...(info.compiledSize === 0 ? {} : { bytes_jited: info.compiledSize }),
    ...(info.memory === undefined ? {} : { bytes_memlock: info.memory }),
    ...(info.verifiedInstructions === 0 ? {} : { verified_insns: info.verifiedInstructions }),
    ...(info.interfaceIndex === 0 ? {} : { ifindex: info.interfaceIndex }),
    ...(info.mapIds.length === 0 ? {} : { map_ids: info.mapIds }),
    ...(info.btfId === 0 ? {} : { btf_id: info.btfId }),
    ...(info.attachBtfId === 0
      ? {}
      : { attach_btf_obj_id: info.attachBtfObjectId, attach_btf_id: info.attachBtfId }),
    ...pidsOf(holders, info.id),
  };
}

/** The name of the program's function where the kernel's copy of it may be cut. */
function fullName(
  fd: FileDescriptor,
  { name, btfId }: { name: string; btfId: number },
  types: (id: number) => Btf | undefined,
): string {
  if (name.length < LONGEST_NAME || btfId === 0) return name;
  const [first] = functionRecords(fd);
  const full = first === undefined ? undefined : types(btfId)?.name(first.type);
  return full?.startsWith(name) === true ? full : name;
}

/** Seconds since 1970 of a time since the machine started. */
function loadedAt(nanoseconds: bigint): number {
  const uptime = Number(readFileSync("/proc/uptime", "utf8").split(" ")[0]);
  return Math.round(Date.now() / 1000 - uptime + Number(nanoseconds) / NANOSECONDS);
}

function tableOf(programs: readonly ProgramDescription[]): string {
  const rows = programs.map(({ id, type, name, tag, bytes_xlated, map_ids = [], pids }) => {
    return [
      String(id),
      type,
      name,
      tag,
      String(bytes_xlated / 8),
      map_ids.join(","),
      holderText(pids),
    ];
  });
  return table(["ID", "TYPE", "NAME", "TAG", "INSNS", "MAPS", "HELD BY"], rows);
}
