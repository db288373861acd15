/**
 * `ebpf btf dump`: prints types, as bpftool lists them or as JSON.
 *
 * @module
 */

import { type Btf, Kind, rawText, rawType, reachable } from "../../btf/index.ts";
import { BpfError } from "../error.ts";
import { didYouMean, nearMatches } from "../near-matches.ts";
import { openTypes } from "./btf-file.ts";
import { type Command, CommandError, readArguments } from "./command.ts";
import { toJson } from "./output.ts";
import { inFile } from "./read.ts";

/** Prints the types with these ids. */
type Format = (btf: Btf, ids: readonly number[], write: (text: string) => void) => void;

const FORMATS: Readonly<Record<string, Format>> = { raw: writeRaw, json: writeJson };

/** Characters that are written at once. */
const CHUNK = 0x1_0000;

/** What may stand before a name, and the kinds that it means. */
const KEYWORDS: Readonly<Record<string, readonly number[]>> = {
  struct: [Kind.STRUCT, Kind.FWD],
  union: [Kind.UNION, Kind.FWD],
  enum: [Kind.ENUM, Kind.ENUM64],
  typedef: [Kind.TYPEDEF],
};

/** Prints all types of a source, or those that can be reached from some. */
export const dump: Command = async (args) => {
  const { values, positionals } = readArguments(args, {
    format: { type: "string" },
    json: { type: "boolean" },
    root: { type: "string", multiple: true },
    base: { type: "string" },
  });
  const [source, ...others] = positionals;
  if (source === undefined || others.length > 0) {
    throw new CommandError("dump takes one file, or kernel, module:NAME or id:NUMBER");
  }
  if (values.json === true && values.format !== undefined && values.format !== "json") {
    throw new CommandError(`--json and --format ${values.format} are two formats: choose one`);
  }
  const format = formatOf(values.json === true ? "json" : (values.format ?? "raw"));
  const btf = openTypes(source, values.base);
  return inFile(source, () => {
    const { root } = values;
    const ids =
      root === undefined
        ? ownIds(btf)
        : reachable(
            btf,
            root.flatMap((name) => rootIds(btf, name)),
          );
    const output = new Output();
    format(btf, ids, (text) => output.write(text));
    output.flush();
    return 0;
  });
};

function formatOf(name: string): Format {
  const format = Object.hasOwn(FORMATS, name) ? FORMATS[name] : undefined;
  if (format === undefined) {
    throw new CommandError(`--format ${name}: there are ${Object.keys(FORMATS).join(" and ")}`);
  }
  return format;
}

function ownIds(btf: Btf): number[] {
  return Array.from({ length: btf.typeCount - btf.firstId }, (_, index) => btf.firstId + index);
}

/** The types of that name, such as `task_struct` or `struct task_struct`, or the one of that number. */
function rootIds(btf: Btf, text: string): number[] {
  if (/^\d+$/.test(text)) {
    const id = Number(text);
    if (id >= btf.typeCount) {
      throw new CommandError(`--root ${text}: the types are numbered up to ${btf.typeCount - 1}`);
    }
    return [id];
  }
  const [, keyword = "", name = text] = /^(struct|union|enum|typedef) +(.+)$/.exec(text) ?? [];
  const kinds = KEYWORDS[keyword];
  const found = btf.findAll(name).filter((id) => kinds?.includes(btf.kind(id)) ?? true);
  if (found.length > 0) return found;
  const names = new Set<string>();
  for (let id = 1; id < btf.typeCount; id++) names.add(btf.name(id));
  throw new BpfError(`there is no type ${text}${didYouMean(nearMatches(name, names))}`, {
    code: "ENOENT",
  });
}

function writeRaw(btf: Btf, ids: readonly number[], write: (text: string) => void): void {
  for (const id of ids) write(`${rawText(btf, id)}\n`);
}

/** One line for each type, so that it can be read by the line as well. */
function writeJson(btf: Btf, ids: readonly number[], write: (text: string) => void): void {
  write('{"types":[');
  for (const [index, id] of ids.entries()) {
    write(`${index === 0 ? "\n" : ",\n"}${toJson(rawType(btf, id))}`);
  }
  write("\n]}\n");
}

/** Collects small texts, since each write is a system call. */
class Output {
  #parts: string[] = [];
  #length = 0;

  write(text: string): void {
    this.#parts.push(text);
    this.#length += text.length;
    if (this.#length >= CHUNK) this.flush();
  }

  flush(): void {
    process.stdout.write(this.#parts.join(""));
    this.#parts = [];
    this.#length = 0;
  }
}
