/**
 * How much looking around one object's questions may cause in one kernel: members and types looked
 * at, all questions together.
 *
 * Objects ask some thousand questions of structures with some hundred members. Crafted ones can ask
 * as many of types with a hundred thousand, or of a hundred thousand types of one name.
 *
 * @module
 */

import { BtfError } from "../error.ts";
import type { TypeReader } from "./type-reader.ts";

/** Members; a hundred times what the largest objects cause. Under a second. */
const MAX_EFFORT = 200_000_000;
/** What a candidate costs that has no members, in members. */
const CANDIDATE = 20;

/** What is left for the questions of one object. */
export class Effort {
  #left = MAX_EFFORT;

  /**
   * Gives what `look` gives, which asks one type; what it looks at is subtracted. Throws BtfError
   * when nothing was left before.
   */
  spend<T>(types: TypeReader, look: () => T): T {
    if (this.#left <= 0) {
      throw new BtfError(
        `the object's questions make one look at more than ${MAX_EFFORT} members of kernel types`,
        {},
      );
    }
    const before = types.visits;
    try {
      return look();
    } finally {
      this.#left -= types.visits - before + CANDIDATE;
    }
  }
}
