/**
 * Asks libbpf what it makes of the cases of test/co-re/cases.ts, and compares with what stands
 * there.
 *
 * ```
 * node dist/test/differential/cases.js [--libbpf PREFIX]
 * ```
 *
 * Needs what run.ts needs; libbpf before 1.6 loads arrays by their whole size, and differs there.
 *
 * @module
 */

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { cases, Types } from "../co-re/cases.ts";
import { buildObject, fromHex } from "../co-re/object-builder.ts";
import { CORE, compile } from "./harness.ts";
import { askLibbpf } from "./libbpf.ts";

const options = process.argv.slice(2);
const prefix = options[0] === "--libbpf" ? (options[1] ?? "/usr") : "/usr";
const folder = mkdtempSync(join(tmpdir(), "ebpf-cases-"));
let count = 0;
let differences = 0;
try {
  const harness = compile(CORE, folder, prefix);
  const [objectPath, btfPath] = [join(folder, "object.o"), join(folder, "kernel.btf")];
  for (const { name, local, kernel, kind, accessor, before, after } of Object.values(
    cases,
  ).flat()) {
    const object = new Types();
    const type = local(object);
    const types = new Types();
    kernel(types);
    const relocations = [{ slot: 0, type, accessor, kind }];
    const program = { name: "test", instructions: fromHex(before), relocations };
    writeFileSync(objectPath, buildObject(object.builder, [program]));
    writeFileSync(btfPath, types.builder.bytes());
    const answers = askLibbpf(harness, objectPath, btfPath, false);
    const answer = answers.get("test") ?? answers.get("-");
    const hex =
      answer !== undefined && "hex" in answer ? answer.hex.slice(0, before.length) : undefined;
    count++;
    if (hex === after) continue;
    differences++;
    const why = answer !== undefined && "error" in answer ? answer.error : "";
    process.stdout.write(`${name}: ${after ?? "refused"}, libbpf ${hex ?? "refuses"} ${why}\n`);
  }
} finally {
  rmSync(folder, { recursive: true });
}
process.stdout.write(`${count} cases, ${differences} differences\n`);
process.exitCode = differences > 0 ? 1 : 0;
