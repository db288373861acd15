/**
 * Writes fixtures/btf: kernels' types, reduced to what the objects of the project ask of them.
 *
 * ```
 * make -C fixtures btf
 * node dist/test/differential/fixtures-btf.js
 * ```
 *
 * The kernels are those of the matrix, as its lock file has them; kernels.json says which. Needs what the matrix needs to fetch them.
 *
 * @module
 */

import { readFileSync, writeFileSync } from "node:fs";
import { fixturePath } from "../helper/fixtures.ts";
import { kernelBtf, SERIES } from "./kernels.ts";
import { askAll, projectObjects } from "./questions.ts";
import { reduceBtf } from "./reduce.ts";
import { origin } from "./reduced.ts";

const objects = projectObjects(["el", "eb"]);
const origins: Record<string, ReturnType<typeof origin>> = {};
for (const name of SERIES) {
  const { path, version } = await kernelBtf(name);
  const whole = readFileSync(path);
  const reduced = reduceBtf(whole, (btf) => askAll(btf, objects));
  writeFileSync(fixturePath(`btf/${name}.btf`), reduced);
  origins[name] = origin(version, whole);
  process.stdout.write(`btf/${name}.btf: ${reduced.length} of ${whole.length} bytes, ${version}\n`);
}
writeFileSync(fixturePath("btf/kernels.json"), `${JSON.stringify(origins, undefined, 2)}\n`);
