/**
 * `ebpf check`: would these objects relocate on these kernels?
 *
 * @module
 */

import { createHash } from "node:crypto";
import { BpfError } from "../error.ts";
import {
  type CheckReport,
  checkMarkdown,
  check as checkObjects,
  checkText,
  mergeReports,
  openBtf,
} from "../report/index.ts";
import { parseObject } from "../spec/index.ts";
import { type BtfSource, btfSources } from "./btf-source.ts";
import { type Command, CommandError, readArguments, requireFiles } from "./command.ts";
import { explain, printJson } from "./output.ts";
import { readFile } from "./read.ts";

/** Relocates every object against every kernel; one kernel's types are in memory at a time. */
export const check: Command = async (args) => {
  const { values, positionals } = readArguments(args, {
    btf: { type: "string", multiple: true },
    json: { type: "boolean" },
    markdown: { type: "boolean" },
    instructions: { type: "boolean" },
  });
  const files = requireFiles(positionals, "check FILE… --btf PATH…");
  if (values.json === true && values.markdown === true) {
    throw new CommandError("--json and --markdown are two forms of the report: choose one");
  }
  const sources = btfSources(values.btf ?? []);
  if (sources.length === 0) {
    throw new CommandError(
      "against which kernels? --btf PATH names a BTF file or a folder of such, --btf kernel the running one",
    );
  }
  const objects = files.map(openObject);
  const reports = sources.map((source, index) => {
    progress(`${index + 1}/${sources.length} ${source.name}`);
    return checkKernel(objects, source, values.instructions === true);
  });
  progress("");
  const report = mergeReports(reports);
  if (values.json === true) printJson(report);
  else process.stdout.write(values.markdown === true ? checkMarkdown(report) : checkText(report));
  return report.ok ? 0 : 1;
};

interface OpenObject {
  file: string;
  sha256: string;
  spec: ReturnType<typeof parseObject>;
}

function openObject(file: string): OpenObject {
  const bytes = readFile(file);
  try {
    return { file, sha256: sha256(bytes), spec: parseObject(bytes) };
  } catch (error) {
    if (!(error instanceof BpfError)) throw error;
    throw new BpfError(`${file}: ${explain(error)}`, { code: error.code });
  }
}

function checkKernel(
  objects: readonly OpenObject[],
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
      const { file, sha256 } = objects[index]!;
      return { file, sha256, ...entry };
    }),
  };
}

function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

/** What is being done, on one line of a terminal that the next replaces. */
function progress(text: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${text}`);
}
