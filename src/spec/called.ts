/**
 * Where the calls of an object lead. Tells subprograms from programs, and functions from labels, where symbols do not.
 *
 * @module
 */

import type { ElfFile } from "../../elf/index.ts";
import { CALL, immAt, PseudoSource, SLOT, srcAt } from "../asm/index.ts";
import { viewOf } from "../bytes.ts";
import type { SectionTargets } from "../relocate/target.ts";
import { isCode } from "./functions.ts";

/** Places of code that are called, or whose address is taken. Found when first asked for: few objects need it. */
export class CalledPlaces {
  readonly #file: ElfFile;
  readonly #targets: SectionTargets;
  #slots: Map<number, Set<number>> | undefined;

  constructor(file: ElfFile, targets: SectionTargets) {
    this.#file = file;
    this.#targets = targets;
  }

  /** Whether anything in the object calls, or refers to, that slot of that section. */
  has(section: number, slot: number): boolean {
    this.#slots ??= this.#find();
    return this.#slots.get(section)?.has(slot) ?? false;
  }

  #find(): Map<number, Set<number>> {
    const found = new Map<number, Set<number>>();
    const add = (section: number, slot: number): void => {
      const slots = found.get(section);
      if (slots === undefined) found.set(section, new Set([slot]));
      else slots.add(slot);
    };
    for (const targets of this.#targets.values()) {
      for (const target of targets.values()) {
        if ("section" in target) add(target.section, target.slot);
      }
    }
    for (const section of this.#file.sections) {
      if (!isCode(section)) continue;
      const view = viewOf(this.#file.data(section));
      const relocated = this.#targets.get(section.index);
      const little = this.#file.littleEndian;
      for (let slot = 0; (slot + 1) * SLOT <= view.byteLength; slot++) {
        if (view.getUint8(slot * SLOT) !== CALL || relocated?.has(slot) === true) continue;
        if (srcAt(view, slot, little) !== PseudoSource.CALL) continue;
        add(section.index, slot + immAt(view, slot, little) + 1);
      }
    }
    return found;
  }
}
