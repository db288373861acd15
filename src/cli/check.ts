/**
 * `ebpf check`: would these objects relocate on these kernels?
 *
 * @module
 */

import { createHash } from "node:crypto";
import {
  type CheckReport,
  checkMarkdown,
  check as checkObjects,
  checkText,
  mergeReports,
  openBtf,
} from "../report/index.ts";
import { type BtfSource, btfSources } from "./btf-source.ts";
import { type Command, CommandError, readArguments, requireFiles } from "./command.ts";
import { plain, printJson, printText } from "./output.ts";
import { type ObjectFile, readObject } from "./read.ts";

/** Relocates every object against every kernel; one kernel's types are in memory at a time. */
export const check: Command = async (args) => {
  const { values, positionals } = readArguments(args, {
    btf: { type: "string", multiple: true },
    json: { type: "boolean" },
    markdown: { type: "boolean" },
    instructions: { type: "boolean" },
  });
  const { files, kernels } = divide(args, positionals, values.btf ?? []);
  requireFiles(files, "check");
  if (values.json === true && values.markdown === true) {
    throw new CommandError("--json and --markdown are two forms of the report: choose one");
  }
  if (values.instructions === true && values.json !== true) {
    throw new CommandError("--instructions adds to the JSON report: give --json too");
  }
  const sources = btfSources(kernels);
  if (sources.length === 0) {
    throw new CommandError(
      "against which kernels? --btf PATH names a BTF file or a folder of such, --btf kernel the running one",
    );
  }
  const objects = files.map(readObject);
  const report = mergeReports(checkAll(objects, sources, values.instructions === true));
  if (values.json === true) printJson(report);
  else printText(values.markdown === true ? checkMarkdown(report) : checkText(report));
  return report.ok ? 0 : 1;
};

/**
 * `check FILE… --btf PATH…`: what follows the first PATH is another, up to the next option. With no FILE before the
 * first `--btf`, each takes one PATH, and the rest are files.
 */
function divide(
  args: readonly string[],
  positionals: readonly string[],
  btf: readonly string[],
): { files: readonly string[]; kernels: readonly string[] } {
  const start = args.findIndex((arg) => arg === "--btf" || arg.startsWith("--btf="));
  const before = args.slice(0, Math.max(start, 0)).filter((arg) => positionals.includes(arg));
  if (before.length === 0) return { files: positionals, kernels: btf };
  const files: string[] = [...before];
  const kernels: string[] = [];
  let isKernel = false;
  for (const arg of args.slice(start)) {
    if (arg.startsWith("--btf=")) kernels.push(arg.slice("--btf=".length));
    else if (!arg.startsWith("-")) (isKernel ? kernels : files).push(arg);
    isKernel = arg.startsWith("-") ? arg.startsWith("--btf") : isKernel;
  }
  return { files, kernels };
}

function checkAll(
  objects: readonly ObjectFile[],
  sources: readonly BtfSource[],
  instructions: boolean,
): CheckReport[] {
  try {
    return sources.map((source, index) => {
      progress(`${index + 1}/${sources.length} ${source.name}`);
      return checkKernel(objects, source, instructions);
    });
  } finally {
    progress("");
  }
}

function checkKernel(
  objects: readonly ObjectFile[],
  source: BtfSource,
  instructions: boolean,
): CheckReport {
  const bytes = source.read();
  const kernel = { name: source.name, btf: openBtf(bytes, source.name) };
  const report = checkObjects(
    objects.map(({ spec }) => spec),
    [kernel],
    { instructions },
  );
  return {
    ...report,
    kernels: report.kernels.map((entry) => ({ ...entry, sha256: sha256(bytes) })),
    objects: report.objects.map((entry, index) => {
      const { file, bytes } = objects[index]!;
      return { file, sha256: sha256(bytes), ...entry };
    }),
  };
}

function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

/** What is being done, on one line of a terminal that the next replaces. */
function progress(text: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${plain(text)}`);
}
