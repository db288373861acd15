/**
 * `ebpf check`: would these objects relocate on these kernels?
 *
 * @module
 */

import { createHash } from "node:crypto";
import { BpfError } from "../error.ts";
import {
  type CheckedObject,
  type CheckKernel,
  type CheckModule,
  type CheckProgress,
  type CheckReport,
  check as checkObjects,
  openKernelTypes,
  parseReport,
  withBaseline,
} from "../report/index.ts";
import { type BtfSource, btfSources, readBtf } from "./btf-source.ts";
import { type Command, CommandError, divideFiles, readArguments, requireFiles } from "./command.ts";
import { Modules, moduleSources } from "./module-source.ts";
import { explain, plain, say } from "./output.ts";
import { type ObjectFile, readObject } from "./read.ts";
import { type ReportFile, refuseClashes, writeReport } from "./report-files.ts";

/** Relocates every object against every kernel; one kernel's types are in memory at a time. */
export const check: Command = async (args) => {
  const parsed = readArguments(args, {
    btf: { type: "string", multiple: true },
    module: { type: "string", multiple: true },
    baseline: { type: "string" },
    json: { type: "boolean" },
    markdown: { type: "string" },
    junit: { type: "string" },
    html: { type: "string" },
    instructions: { type: "boolean" },
  });
  const { values } = parsed;
  const { files, paths: kernels } = divideFiles(parsed, "btf");
  requireFiles(files, "check");
  const json = values.json === true;
  if (values.instructions === true && !json) {
    throw new CommandError("--instructions adds to the JSON report: give --json too");
  }
  const sources = btfSources(kernels);
  if (sources.length === 0) {
    throw new CommandError(
      "against which kernels? --btf PATH names a BTF file or a folder of such, --btf kernel the running one",
    );
  }
  const names = sources.map(({ name }) => name);
  const modules = moduleSources(values.module ?? [], names);
  const forms = (["markdown", "junit", "html"] as const).flatMap((form): ReportFile[] => {
    const path = values[form];
    return path === undefined ? [] : [{ form, path }];
  });
  const paths = [...sources, ...modules].flatMap(({ path }) => path ?? []);
  const baselinePaths = values.baseline === undefined ? [] : [values.baseline];
  refuseClashes(forms, json, [...files, ...paths, ...baselinePaths]);
  const baseline = values.baseline === undefined ? undefined : readBaseline(values.baseline);
  const objects = files.map((file) => readOrExplain(file, files.length === 1));
  const found = checkAll(objects, sources, new Modules(modules), values.instructions === true);
  const report = baseline === undefined ? found : withBaseline(found, baseline);
  await writeReport(report, forms, json);
  return (report.baseline?.ok ?? report.ok) ? 0 : 1;
};

/** @throws CommandError when the file is no report that can be compared with. */
function readBaseline(path: string): CheckReport {
  try {
    return parseReport(new TextDecoder().decode(readBtf(path)));
  } catch (error) {
    const reason = error instanceof BpfError ? error.message : "it is too large to be read";
    const text = reason.startsWith(`${path}: `) ? reason : `${path}: ${reason}`;
    throw new CommandError(`--baseline ${text}`);
  }
}

/** An object, or in its place why it is none; the rest of a folder is checked all the same. */
type CheckedFile = Partial<ObjectFile> & { file: string; error?: string };

const UNREADABLE: CheckedObject = { byteOrder: "little", btf: undefined, programs: {} };

function readOrExplain(file: string, isOnly: boolean): CheckedFile {
  try {
    return readObject(file);
  } catch (error) {
    if (isOnly || !(error instanceof BpfError)) throw error;
    const message = explain(error);
    say(`ebpf check: ${message}`);
    return { file, error: message };
  }
}

function checkAll(
  objects: readonly CheckedFile[],
  sources: readonly BtfSource[],
  modules: Modules,
  instructions: boolean,
): CheckReport {
  const sums: string[] = [];
  const used: string[][] = [];
  // Of the kernel whose turn it is, and no others: modules hold on to their base.
  let ofKernel: readonly CheckModule[] = [];
  const kernels = sources.map((source): CheckKernel => {
    return {
      name: source.name,
      btf: () => {
        ofKernel = [];
        const bytes = source.read();
        const vmlinux = openKernelTypes(bytes, source.path ?? source.name);
        ofKernel = modules.of(source.name, vmlinux);
        sums.push(sha256(bytes));
        used.push(ofKernel.map(({ name }) => name));
        return vmlinux;
      },
      modules: () => [...ofKernel, ...(source.modules?.() ?? [])],
    };
  });
  const progress = new Progress(sources);
  let report: CheckReport;
  try {
    const specs = objects.map(({ spec }) => spec ?? UNREADABLE);
    const onProgress = (at: CheckProgress): void => progress.show(at);
    report = checkObjects(specs, kernels, { instructions, onProgress });
  } finally {
    progress.end();
  }
  modules.requireUsed();
  const isRead = (object: number): boolean => objects[object]?.error === undefined;
  return {
    ...report,
    ok: report.ok && objects.every((_, object) => isRead(object)),
    kernels: report.kernels.map((entry, kernel) => {
      const names = used[kernel] ?? [];
      const sum = { ...entry, sha256: sums[kernel]! };
      return names.length === 0 ? sum : { ...sum, modules: names };
    }),
    objects: report.objects.map((entry, object) => {
      const { file, bytes, error } = objects[object]!;
      if (error !== undefined || bytes === undefined) return { file, error: error ?? "", ...entry };
      // Read, but too large to be checked.
      const refused = entry.error === undefined ? {} : { error: `${file}: ${entry.error}` };
      return { file, sha256: sha256(bytes), ...entry, ...refused };
    }),
    summary: report.summary.map((pair) => (isRead(pair.object) ? pair : { ...pair, ok: false })),
  };
}

function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

/** Milliseconds between two changes of the line. */
const INTERVAL = 80;

/** What is being done, on one line of a terminal that the next replaces; nothing where it is none. */
class Progress {
  readonly #sources: readonly BtfSource[];
  #shown = 0;

  constructor(sources: readonly BtfSource[]) {
    this.#sources = sources;
  }

  show({ kernel, kernels, object, objects }: CheckProgress): void {
    if (!process.stderr.isTTY) return;
    const now = Date.now();
    if (this.#shown > 0 && now - this.#shown < INTERVAL) return;
    this.#shown = now;
    const name = plain(this.#sources[kernel]?.name ?? "");
    const text = `kernel ${kernel + 1}/${kernels} ${name}, object ${object + 1}/${objects}`;
    process.stderr.write(`\r\x1b[K${text.slice(0, (process.stderr.columns || 80) - 1)}`);
  }

  end(): void {
    if (this.#shown > 0) process.stderr.write("\r\x1b[K");
  }
}
