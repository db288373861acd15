/**
 * Writes fixtures/co-re/golden.json: what libbpf makes of the objects there, program by program.
 *
 * ```
 * node dist/test/differential/golden.js [--libbpf PREFIX]
 * ```
 *
 * Needs what run.ts needs.
 *
 * @module
 */

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { isLoadImm64, SLOT } from "../../src/asm/index.ts";
import { type ProgramSpec, parseObject } from "../../src/spec/index.ts";
import { families, fixture, type Golden } from "../co-re/golden.ts";
import { CORE, compile, libbpfVersion } from "./harness.ts";
import { type Answer, askLibbpf } from "./libbpf.ts";

function relocated(
  { coreRelocations, instructions }: ProgramSpec,
  answer: Answer | undefined,
): string | null {
  if (answer === undefined || "error" in answer) return null;
  return coreRelocations
    .map(({ slot }) => {
      const slots = isLoadImm64(instructions[slot * SLOT] ?? 0) ? 2 : 1;
      return answer.hex.slice(slot * SLOT * 2, (slot + slots) * SLOT * 2);
    })
    .join(" ");
}

const options = process.argv.slice(2);
const prefix = options[0] === "--libbpf" ? (options[1] ?? "/usr") : "/usr";
const folder = mkdtempSync(join(tmpdir(), "ebpf-golden-"));
try {
  const harness = compile(CORE, folder, prefix);
  const pairs = families.flatMap(({ objects, kernels }) =>
    ["clang14", "clang19"].flatMap((compiler) =>
      kernels.map((kernel): Golden["pairs"][number] => {
        const object = `${objects}.${compiler}.el.o`;
        const spec = parseObject(readFileSync(fixture(object)));
        const answers = askLibbpf(harness, fixture(object), fixture(`${kernel}.btf`), true);
        const programs = Object.fromEntries(
          Object.values(spec.programs).map((program) => [
            program.name,
            relocated(program, answers.get(program.name)),
          ]),
        );
        return { object, kernel: `${kernel}.btf`, programs };
      }),
    ),
  );
  const golden: Golden = { libbpf: libbpfVersion(harness), pairs };
  writeFileSync(fixture("golden.json"), `${JSON.stringify(golden, undefined, 1)}\n`);
} finally {
  rmSync(folder, { recursive: true });
}
