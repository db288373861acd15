/**
 * What the page of a report has to say, small: every text and every list once, one entry for each
 * question of an object with the places that ask it. Read by the script in html-script.ts.
 *
 * @module
 */

import { releaseRanks } from "./availability.ts";
import { keyOf, objectName } from "./findings.ts";
import { type CheckReport, type CheckRow, type ReportBaseline, verdicts } from "./report.ts";

/** One letter for each verdict, in the order of the list. */
export const verdictLetters = "scagpme";

/** Names of a baseline that a person reads. */
const MAX_UNCHECKED = 100;

/** A number of a kernel; null where there is none. */
type Cell = number | string | null;

/**
 * A place in an object: index of the program, section, offset, file, line, text, instruction
 * before; then lists over kernels: instructions after, target numbers, messages. Texts and lists
 * are indexes in `texts` and `lists`, -1 for none. Verdicts and existence are a letter for each
 * kernel, a space where there is no row.
 */
type Place = (number | string)[];

interface Question {
  readonly kind: number;
  readonly root: number;
  readonly path: number;
  readonly local: number | string | null;
  readonly places: Place[];
}

/** Kernels or objects that only the baseline has: the first names, and how many there are. */
interface Unchecked {
  readonly what: "kernels" | "objects";
  readonly names: readonly string[];
  readonly count: number;
}

/** The data of a page. */
export interface PageData {
  readonly ok: boolean;
  readonly verdicts: readonly string[];
  readonly letters: string;
  readonly kernels: readonly { readonly name: string; readonly types: number }[];
  /** For each kernel the place of its release; null where names do not begin with releases. */
  readonly releases: readonly number[] | null;
  readonly objects: readonly {
    readonly name: string;
    readonly error: string | null;
    readonly programs: readonly string[];
    /** Counts of verdicts for each kernel; null where there is no such pair. */
    readonly counts: readonly (Readonly<Record<string, number>> | null)[];
    readonly questions: readonly Question[];
  }[];
  readonly texts: readonly string[];
  readonly lists: readonly (readonly Cell[])[];
  /** How many rows differ from the baseline, and what of it was not checked; null without one. */
  readonly baseline: {
    readonly worse: number;
    readonly better: number;
    readonly lost: number;
    readonly known: number;
    readonly unchecked: readonly Unchecked[];
  } | null;
}

/** Makes the data of the page. */
export function pageData(report: CheckReport): PageData {
  const texts = new Interned<string>(String);
  const lists = new Interned<readonly Cell[]>((list) => JSON.stringify(list));
  const kernels = report.kernels.map(({ name, types }) => ({ name, types }));
  const rows = report.objects.map((): CheckRow[] => []);
  for (const row of report.rows) rows[row.object]?.push(row);
  const counts = report.objects.map(() =>
    kernels.map((): Readonly<Record<string, number>> | null => null),
  );
  for (const { object, kernel, counts: of } of report.summary) {
    const list = counts[object];
    if (list !== undefined && kernel < list.length) list[kernel] = of as Record<string, number>;
  }
  const objects = report.objects.map(({ error, programs }, object) => {
    const names = programs.map(({ name }) => name);
    return {
      name: objectName(report, object),
      error: error ?? null,
      programs: names,
      counts: counts[object]!,
      questions: questionsOf(rows[object] ?? [], names, kernels.length, texts, lists),
    };
  });
  const { baseline } = report;
  return {
    ok: baseline?.ok ?? report.ok,
    verdicts,
    letters: verdictLetters,
    kernels,
    releases: releaseRanks(kernels.map(({ name }) => name)) ?? null,
    objects,
    texts: texts.values,
    lists: lists.values,
    baseline: baseline === undefined ? null : baselineData(baseline),
  };
}

function baselineData(baseline: ReportBaseline): PageData["baseline"] {
  const { worse, better, lost, known, uncheckedKernels, uncheckedObjects } = baseline;
  // Reports that were written earlier may lack a list.
  const unchecked = (what: Unchecked["what"], names: readonly string[] = []): Unchecked[] =>
    names.length === 0 ? [] : [{ what, names: names.slice(0, MAX_UNCHECKED), count: names.length }];
  return {
    worse: worse.length,
    better: better.length,
    lost: lost.length,
    known,
    unchecked: [
      ...unchecked("kernels", uncheckedKernels),
      ...unchecked("objects", uncheckedObjects),
    ],
  };
}

function questionsOf(
  rows: readonly CheckRow[],
  programs: readonly string[],
  kernels: number,
  texts: Interned<string>,
  lists: Interned<readonly Cell[]>,
): Question[] {
  const programIndex = new Map(programs.map((name, index) => [name, index]));
  const questions = new Map<string, Question>();
  for (const places of rowsByPlace(rows)) {
    const row = places[0]!;
    const { kind, root, path, local, source } = row;
    const key = keyOf(kind, root, path);
    let question = questions.get(key);
    if (question === undefined) {
      const [kindText, rootText, pathText] = [texts.of(kind), texts.of(root), texts.of(path)];
      question = { kind: kindText, root: rootText, path: pathText, local, places: [] };
      questions.set(key, question);
    }
    const over = <T>(none: T, value: (row: CheckRow) => T): T[] => {
      const list = new Array<T>(kernels).fill(none);
      for (const one of places) list[one.kernel] = value(one);
      return list;
    };
    question.places.push([
      programIndex.get(row.program) ?? -1,
      texts.of(row.section),
      row.offset,
      source === null ? -1 : texts.of(source.file),
      source?.line ?? 0,
      source === null ? -1 : texts.of(source.text),
      texts.of(row.before),
      over(" ", ({ verdict }) => verdictLetters[verdicts.indexOf(verdict)] ?? " ").join(""),
      over(" ", ({ exists }) => (exists === true ? "y" : exists === false ? "n" : " ")).join(""),
      lists.of(over<Cell>(-1, ({ after }) => texts.of(after))),
      lists.of(over<Cell>(null, ({ target }) => target)),
      lists.of(over<Cell>(-1, ({ message }) => (message === null ? -1 : texts.of(message)))),
    ]);
  }
  return [...questions.values()];
}

/** The rows about one instruction, of all kernels. */
function rowsByPlace(rows: readonly CheckRow[]): Iterable<CheckRow[]> {
  const places = new Map<string, CheckRow[]>();
  let kernel = -1;
  let seen = new Map<string, number>();
  for (const row of rows) {
    if (row.kernel !== kernel) seen = new Map();
    kernel = row.kernel;
    const { program, section, offset, kind, accessor } = row;
    const key = keyOf(program, section, offset, kind, accessor);
    const occurrence = seen.get(key) ?? 0;
    seen.set(key, occurrence + 1);
    const place = keyOf(occurrence, key);
    const known = places.get(place);
    if (known === undefined) places.set(place, [row]);
    else known.push(row);
  }
  return places.values();
}

/** Values that are kept once, and named by their index. */
class Interned<T> {
  readonly values: T[] = [];
  readonly #keyOf: (value: T) => string;
  readonly #indexes: Map<string, number> = new Map();

  constructor(keyOf: (value: T) => string) {
    this.#keyOf = keyOf;
  }

  of(value: T): number {
    const key = this.#keyOf(value);
    let index = this.#indexes.get(key);
    if (index === undefined) {
      index = this.values.push(value) - 1;
      this.#indexes.set(key, index);
    }
    return index;
  }
}
