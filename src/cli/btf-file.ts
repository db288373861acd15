/**
 * Opens the types that an argument of `ebpf btf dump` names: a file, the kernel, a module, an id.
 *
 * @module
 */

import type { Btf } from "../../btf/index.ts";
import { openBtf } from "../report/index.ts";
import { btfById } from "../sys/btf-by-id.ts";
import { kernelBtf, moduleBtf } from "../sys/kernel-btf.ts";
import { readBtf } from "./btf-source.ts";
import { CommandError } from "./command.ts";
import { requireSplit } from "./split.ts";

const SYSFS = /^\/sys\/kernel\/btf\/(?!vmlinux$)[^/]+$/;
const MODULE = "module:";
const ID = "id:";

/**
 * The types of `kernel`, `module:NAME`, `id:NUMBER`, or a file as `check` takes it. `base` names in
 * the same way what the types of a file continue.
 *
 * @throws CommandError for a number that is none, or a base where there is a fixed one; BpfError.
 */
export function openTypes(source: string, base?: string): Btf {
  const isFile = source !== "kernel" && !source.startsWith(MODULE) && !source.startsWith(ID);
  if (isFile) return openFile(source, base);
  if (base !== undefined) {
    throw new CommandError(`--base is for files; what ${source} continues is known`);
  }
  if (source === "kernel") return kernelBtf();
  if (source.startsWith(MODULE)) return moduleBtf(source.slice(MODULE.length));
  const id = source.slice(ID.length);
  if (!/^\d{1,10}$/.test(id) || Number(id) > 0xffff_ffff) {
    throw new CommandError(`${source}: a number is expected after ${ID}`);
  }
  return btfById(Number(id));
}

function openFile(path: string, base: string | undefined): Btf {
  const bytes = readBtf(path);
  if (base !== undefined) {
    const split = openBtf(bytes, path, openTypes(base));
    requireSplit(split, path);
    return split;
  }
  return openBtf(bytes, path, SYSFS.test(path) ? kernelBtf() : undefined);
}
