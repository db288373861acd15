/**
 * `ebpf btf min`: writes the types of a kernel that CO-RE relocations of objects need, and no more.
 *
 * @module
 */

import { mkdirSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { Btf } from "../../btf/index.ts";
import { minimalBtf } from "../co-re/index.ts";
import { BpfError } from "../error.ts";
import { openKernelTypes } from "../report/index.ts";
import { type BtfSource, btfSources } from "./btf-source.ts";
import { type Command, CommandError, divideFiles, readArguments, requireFiles } from "./command.ts";
import { printJson, say } from "./output.ts";
import { inFile, type ObjectFile, readObject } from "./read.ts";

/** Writes one file for one kernel, or one for each into a folder, which is made where there is none. */
export const min: Command = async (args) => {
  const parsed = readArguments(args, {
    btf: { type: "string", multiple: true },
    output: { type: "string", short: "o" },
    json: { type: "boolean" },
  });
  const { files, paths } = divideFiles(parsed, "btf");
  requireFiles(files, "btf");
  const { output, json } = parsed.values;
  if (paths.length === 0) {
    throw new CommandError("of which kernel? --btf PATH names a BTF file or a folder of such");
  }
  if (output === undefined) {
    throw new CommandError("where to? -o FILE names the file to write, or a folder for several");
  }
  const sources = btfSources(paths);
  const there = statSync(output, { throwIfNoEntry: false });
  const toFolder = there?.isDirectory() ?? (sources.length > 1 || output.endsWith("/"));
  if (sources.length > 1 && !toFolder) {
    throw new CommandError(`-o ${output}: it is to hold ${sources.length} files, and is no folder`);
  }
  const objects = files.map(readObject);
  const written = sources.map((source): Written => {
    const path = toFolder ? join(output, `${source.name}.btf`) : output;
    const minimal = minimise(objects, source);
    write(path, minimal.bytes, toFolder);
    return { kernel: source.name, file: path, ...minimal, bytes: minimal.bytes.length };
  });
  for (const { file, types, of, bytes } of written) {
    say(`${file}: ${types} of ${of} types, ${bytes} bytes`);
  }
  if (json === true) printJson(written);
  return 0;
};

interface Written {
  kernel: string;
  file: string;
  /** Types in the file, and in what it was made from; without void. */
  types: number;
  of: number;
  bytes: number;
}

function minimise(
  objects: readonly ObjectFile[],
  source: BtfSource,
): { types: number; of: number; bytes: Uint8Array } {
  const whole = openKernelTypes(source.read(), source.path ?? source.name);
  const bytes = inFile(source.name, () =>
    minimalBtf(
      objects.map(({ spec }) => spec),
      whole,
    ),
  );
  return { types: Btf.parse(bytes).typeCount - 1, of: whole.typeCount - 1, bytes };
}

function write(file: string, bytes: Uint8Array, toFolder: boolean): void {
  try {
    if (toFolder) mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, bytes);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? "EIO";
    throw new BpfError(`${file}: it cannot be written`, { code, cause: error });
  }
}
