/**
 * B1 in parts: reading an object, opening the kernel's types, CO-RE. Nothing is loaded.
 *
 * @module
 */

import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { type Btf, Kind } from "../btf/index.ts";
import { CoreTarget } from "../src/co-re/index.ts";
import { parseObject } from "../src/spec/index.ts";
import { openFile } from "../src/sys/file.ts";
import { dropKernelBtf, kernelBtf } from "../src/sys/kernel-btf.ts";
import { relocateObject } from "./relocate.ts";
import { printTime } from "./sample.ts";

const KERNEL_BTF = "/sys/kernel/btf/vmlinux";

/** All parts one after the other; each repetition keeps nothing of the one before. */
export function phases(object: string, variant: string, repetitions: number): void {
  loadNativeCode();
  for (let i = 0; i < repetitions; i++) phasesOnce(object, variant);
}

function phasesOnce(object: string, variant: string): void {
  const start = performance.now();
  const spec = parseObject(readFileSync(object));
  printTime("B1.parse", `${variant}.phases`, performance.now() - start);
  if (!hasKernelBtf()) return;
  const opening = performance.now();
  const target = new CoreTarget(openIndexed());
  const opened = performance.now();
  relocateObject(spec, target);
  const relocated = performance.now();
  relocateObject(spec, target);
  const again = performance.now();
  printTime("B1.kbtf", variant, opened - opening);
  printTime("B1.core", variant, relocated - opened);
  printTime("B1.core", `${variant}+cache`, again - relocated);
}

/** Opens the kernel's types and looks one up. */
export function kbtf(repetitions: number): void {
  if (!hasKernelBtf()) return;
  loadNativeCode();
  for (let i = 0; i < repetitions; i++) {
    const variant = i === 0 ? "cold" : "warm";
    const start = performance.now();
    const btf = openIndexed();
    const opened = performance.now();
    btf.find("task_struct", Kind.STRUCT);
    const found = performance.now();
    printTime("B1.kbtf", variant, opened - start);
    printTime("B1.kbtf.find", variant, found - opened);
  }
}

/** The running kernel's types, mapped anew, with the index that finding types by name needs. */
function openIndexed(): Btf {
  dropKernelBtf();
  const btf = kernelBtf();
  // A name that no type has: the index is made when first used.
  btf.find(" ", Kind.STRUCT);
  return btf;
}

function hasKernelBtf(): boolean {
  if (existsSync(KERNEL_BTF)) return true;
  process.stderr.write(`B1.kbtf and B1.core are left out: there is no ${KERNEL_BTF}\n`);
  return false;
}

/** koffi is loaded once a process, at the first system call: that is a part of B1.full alone. */
function loadNativeCode(): void {
  if (process.platform === "linux") openFile(fileURLToPath(import.meta.url)).close();
}
