/**
 * `ebpf btf min`: writes the types of a kernel that CO-RE relocations of objects need, and no more.
 *
 * @module
 */

import { statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Btf } from "../../btf/index.ts";
import { minimalBtf } from "../co-re/index.ts";
import { BpfError } from "../error.ts";
import { openBtf } from "../report/index.ts";
import { type BtfSource, btfSources } from "./btf-source.ts";
import { type Command, CommandError, readArguments, requireFiles } from "./command.ts";
import { printJson, say } from "./output.ts";
import { inFile, type ObjectFile, readObject } from "./read.ts";

/** Writes one file for one kernel, or one for each into a folder. */
export const min: Command = async (args) => {
  const { values, positionals } = readArguments(args, {
    btf: { type: "string", multiple: true },
    output: { type: "string", short: "o" },
    json: { type: "boolean" },
  });
  requireFiles(positionals, "btf");
  const { btf = [], output } = values;
  if (btf.length === 0) {
    throw new CommandError("of which kernel? --btf PATH names a BTF file or a folder of such");
  }
  if (output === undefined) {
    throw new CommandError("where to? -o FILE names the file to write, or a folder for several");
  }
  const sources = btfSources(btf);
  const toFolder = statSync(output, { throwIfNoEntry: false })?.isDirectory() === true;
  if (sources.length > 1 && !toFolder) {
    throw new CommandError(`-o ${output}: it is to hold ${sources.length} files, and is no folder`);
  }
  const objects = positionals.map(readObject);
  const written = sources.map((source) => {
    const path = toFolder ? join(output, `${source.name}.btf`) : output;
    return minimise(objects, source, path);
  });
  for (const { file, types, of, bytes } of written) {
    say(`${file}: ${types} of ${of} types, ${bytes} bytes`);
  }
  if (values.json === true) printJson(written);
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

function minimise(objects: readonly ObjectFile[], source: BtfSource, file: string): Written {
  const whole = openBtf(source.read(), source.name);
  const bytes = inFile(source.name, () =>
    minimalBtf(
      objects.map(({ spec }) => spec),
      whole,
    ),
  );
  const types = Btf.parse(bytes).typeCount - 1;
  try {
    writeFileSync(file, bytes);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? "EIO";
    throw new BpfError(`${file}: it cannot be written`, { code, cause: error });
  }
  return { kernel: source.name, file, types, of: whole.typeCount - 1, bytes: bytes.length };
}
