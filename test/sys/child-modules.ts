/**
 * What scripts of child processes use. The build joins it with all that it needs, like what is published: in an emulated guest it takes
 * Node a second to find a hundred modules.
 *
 * @module
 */

import * as maps from "../../maps/index.ts";
import * as bpf from "../../src/sys/bpf.ts";
import * as fd from "../../src/sys/fd.ts";
import * as ffi from "../../src/sys/ffi.ts";
import * as file from "../../src/sys/file.ts";
import * as kernel from "../../src/sys/kernel.ts";
import * as kernelBtf from "../../src/sys/kernel-btf.ts";
import * as mapping from "../../src/sys/mapping.ts";
import * as poller from "../../src/sys/poller.ts";
import * as uapi from "../../src/uapi.ts";
import * as drainProgram from "../maps/drain-program.ts";
import * as perfProgram from "../maps/perf-program.ts";
import * as ringProgram from "../maps/ring-program.ts";
import * as programs from "./programs.ts";

/** Modules by the names of their files. */
export const modules: Readonly<Record<string, object>> = {
  bpf,
  "drain-program": drainProgram,
  fd,
  ffi,
  file,
  kernel,
  "kernel-btf": kernelBtf,
  mapping,
  maps,
  "perf-program": perfProgram,
  poller,
  programs,
  "ring-program": ringProgram,
  uapi,
};
