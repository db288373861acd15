/**
 * B6: one object against the types of one kernel, which need not be the running one.
 *
 * @module
 */

import { readFileSync } from "node:fs";
import { Btf, Kind } from "../btf/index.ts";
import { CoreTarget } from "../src/co-re/index.ts";
import { parseObject } from "../src/spec/index.ts";
import { relocateObject } from "./relocate.ts";
import { printTime } from "./sample.ts";

/**
 * Everything anew in each repetition, then only the object anew; `name` is what to call the kernel.
 */
export function pair(object: string, name: string, btf: string, repetitions: number): void {
  let kept: CoreTarget | undefined;
  for (let i = 0; i < repetitions; i++) {
    const variant = i === 0 ? "cold" : "warm";
    const spec = parseObject(readFileSync(object));
    const start = performance.now();
    const target = openTarget(btf);
    const opened = performance.now();
    relocateObject(spec, target);
    const relocated = performance.now();
    printTime(`B6.btf.${name}`, variant, opened - start);
    printTime(`B6.relo.${name}`, variant, relocated - opened);
    printTime(`B6.pair.${name}`, variant, relocated - start);
    kept = target;
  }
  if (kept === undefined) return;
  for (let i = 0; i < repetitions; i++) {
    const spec = parseObject(readFileSync(object));
    const start = performance.now();
    relocateObject(spec, kept);
    printTime(`B6.pair.${name}`, "warm+cache", performance.now() - start);
  }
}

/** Types of a file, with the index that finding them by name needs. */
function openTarget(path: string): CoreTarget {
  const btf = Btf.parse(readFileSync(path));
  btf.find(" ", Kind.STRUCT);
  return new CoreTarget(btf);
}
