/**
 * Programs written in TypeScript: statements in, bytes out. Labels become distances; names of maps and of functions that
 * are not among the labels are handed back as references, for the loader to resolve.
 *
 * @module
 */

import { hostLittleEndian } from "../bytes.ts";
import { encodeAll, type Instruction, slotsOf } from "./instruction.ts";
import { isLongJump } from "./opcode.ts";
import type { ReferenceKind, Statement } from "./statement.ts";

/** An instruction whose immediate is still to be filled in. */
export interface BuildReference {
  /** Its place in the program, in slots of 8 bytes. */
  readonly slot: number;
  readonly kind: ReferenceKind;
  readonly name: string;
}

/** A program ready to be linked or loaded. */
export interface BuiltProgram {
  readonly instructions: readonly Instruction[];
  /** The same, encoded. */
  readonly bytes: Uint8Array;
  /** In the order of the program. */
  readonly references: readonly BuildReference[];
  /** Places by label, in slots of 8 bytes. */
  readonly labels: ReadonlyMap<string, number>;
}

/** Options of {@link assemble}. */
export interface AssembleOptions {
  /** Byte order of the encoded program; default: this machine's. */
  littleEndian?: boolean;
}

/**
 * Assembles a program.
 *
 * A label that is missing or defined twice is a TypeError; a jump that its instruction cannot reach is a RangeError.
 */
export function assemble(
  statements: readonly Statement[],
  options: AssembleOptions = {},
): BuiltProgram {
  const labels = placeLabels(statements);
  const instructions: Instruction[] = [];
  const references: BuildReference[] = [];
  let slot = 0;
  for (const statement of statements) {
    if (statement.kind === "label") continue;
    let { instruction } = statement;
    const next = slot + slotsOf(instruction);
    const { target, reference } = statement;
    if (target !== undefined) instruction = aim(instruction, target, labels, next);
    if (reference !== undefined) {
      const place = isLocal(reference.kind) ? labels.get(reference.name) : undefined;
      if (place === undefined) references.push({ slot, ...reference });
      // Both count from the slot after the first one, even where the load takes two.
      else instruction = link(instruction, place - (slot + 1));
    }
    instructions.push(instruction);
    slot = next;
  }
  const bytes = encodeAll(instructions, options.littleEndian ?? hostLittleEndian);
  return { instructions, bytes, references, labels };
}

function placeLabels(statements: readonly Statement[]): Map<string, number> {
  const labels = new Map<string, number>();
  let slot = 0;
  for (const statement of statements) {
    if (statement.kind === "instruction") {
      slot += slotsOf(statement.instruction);
    } else if (labels.has(statement.name)) {
      throw new TypeError(`label ${JSON.stringify(statement.name)} is defined twice`);
    } else {
      labels.set(statement.name, slot);
    }
  }
  return labels;
}

function aim(
  instruction: Instruction,
  target: string,
  labels: ReadonlyMap<string, number>,
  next: number,
): Instruction {
  const place = labels.get(target);
  if (place === undefined) {
    throw new TypeError(
      `a jump goes to ${JSON.stringify(target)}, which is no label of the program`,
    );
  }
  const distance = place - next;
  if (isLongJump(instruction.opcode)) return { ...instruction, imm: distance };
  if (distance < -0x8000 || distance > 0x7fff) {
    throw new RangeError(
      `a jump to ${JSON.stringify(target)} spans ${distance} slots, more than 16 bits hold; longJump reaches it`,
    );
  }
  return { ...instruction, offset: distance };
}

function isLocal(kind: ReferenceKind): boolean {
  return kind === "function" || kind === "callback";
}

function link(instruction: Instruction, distance: number): Instruction {
  return instruction.imm64 === undefined
    ? { ...instruction, imm: distance }
    : { ...instruction, imm: distance, imm64: BigInt(distance >>> 0) };
}
