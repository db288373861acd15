/**
 * Names close to one that was not found, for «did you mean» in errors. Works on any list of names; finds none of its own.
 *
 * Time is bounded by counting steps, not by a clock, so that the same lists give the same answer on every machine.
 *
 * @module
 */

/** Longer names are cut to this many characters before they are compared: mangled names run to kilobytes. */
const LONGEST = 96;
/** Cells of edit-distance tables that one search may fill, about 50 ms. */
const BUDGET = 4_000_000;

/** How many names {@link nearMatches} gives at most, and how much it may work. */
export interface NearMatchOptions {
  /** Names in the answer at most; default 3. */
  limit?: number;
  /** Table cells to fill at most; default about 50 ms of work. Names after that are not looked at. */
  budget?: number;
}

interface Candidate {
  name: string;
  score: number;
}

/**
 * The names that `wanted` may have been meant to be, best first; names equal but for case, a few letters apart
 * (up to a third of the length), or holding `wanted` as a part (`sys_clone` in `__x64_sys_clone`).
 */
export function nearMatches(
  wanted: string,
  names: Iterable<string>,
  options: NearMatchOptions = {},
): string[] {
  const limit = options.limit ?? 3;
  let budget = options.budget ?? BUDGET;
  const needle = wanted.slice(0, LONGEST).toLowerCase();
  if (needle === "" || limit < 1) return [];
  const farthest = Math.max(1, Math.min(4, Math.floor(needle.length / 3)));
  const best: Candidate[] = [];
  const seen = new Set<string>();
  for (const name of names) {
    if (name === "" || name === wanted || seen.has(name)) continue;
    budget--;
    const hay = name.slice(0, LONGEST).toLowerCase();
    let score: number | undefined;
    if (Math.abs(hay.length - needle.length) <= farthest) {
      budget -= needle.length * (2 * farthest + 1);
      score = editDistance(needle, hay, farthest);
    }
    if (score === undefined && needle.length >= 4 && hay.includes(needle)) {
      // A name that holds the wanted one comes after every near miss; the shorter the surplus, the better.
      score = farthest + 1 + (hay.length - needle.length) / LONGEST;
    }
    if (score !== undefined && keep(best, { name, score }, limit)) seen.add(name);
    if (budget < 0) break;
  }
  return best.map((candidate) => candidate.name);
}

/** Puts a candidate into the sorted list of at most `limit`; false when it is too far off for it. */
function keep(best: Candidate[], candidate: Candidate, limit: number): boolean {
  let at = best.length;
  while (at > 0 && (best[at - 1] as Candidate).score > candidate.score) at--;
  if (at >= limit) return false;
  best.splice(at, 0, candidate);
  if (best.length > limit) best.pop();
  return true;
}

/**
 * Insertions, deletions, replacements and swaps of neighbours that turn `a` into `b`, or undefined when there are more
 * than `most`; only the band of the table that can stay within `most` is filled.
 */
export function editDistance(a: string, b: string, most: number): number | undefined {
  if (Math.abs(a.length - b.length) > most) return undefined;
  const far = most + 1;
  const width = b.length + 1;
  let before = new Uint16Array(width).fill(far);
  let previous = new Uint16Array(width).fill(far);
  let current = new Uint16Array(width).fill(far);
  for (let j = 0; j <= Math.min(b.length, most); j++) previous[j] = j;
  for (let i = 1; i <= a.length; i++) {
    current.fill(far);
    if (i <= most) current[0] = i;
    let least = current[0] as number;
    const letter = a.charCodeAt(i - 1);
    const end = Math.min(b.length, i + most);
    for (let j = Math.max(1, i - most); j <= end; j++) {
      const other = b.charCodeAt(j - 1);
      let cost = Math.min(
        (previous[j] as number) + 1,
        (current[j - 1] as number) + 1,
        (previous[j - 1] as number) + (letter === other ? 0 : 1),
      );
      if (i > 1 && j > 1 && letter === b.charCodeAt(j - 2) && a.charCodeAt(i - 2) === other) {
        cost = Math.min(cost, (before[j - 2] as number) + 1);
      }
      current[j] = cost;
      if (cost < least) least = cost;
    }
    // A swap reaches one row farther back, so one row above the limit is not yet the end.
    if (least > most && !previous.some((cost) => cost <= most)) return undefined;
    [before, previous, current] = [previous, current, before];
  }
  const distance = previous[b.length] as number;
  return distance <= most ? distance : undefined;
}

/** The question at the end of an error message, `; did you mean "a" or "b"?`, or nothing without suggestions. */
export function didYouMean(suggestions: readonly string[]): string {
  if (suggestions.length === 0) return "";
  const quoted = suggestions.map((name) => `"${name}"`);
  const last = quoted.pop() as string;
  return `; did you mean ${quoted.length === 0 ? "" : `${quoted.join(", ")} or `}${last}?`;
}
