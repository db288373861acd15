/**
 * What a check of objects against kernels says, as JSON: the form that other programs rely on. No
 * code that makes it.
 *
 * Keys may be added; those here keep name and meaning. Numbers that a double cannot hold are
 * decimal strings.
 *
 * @module
 */

/**
 * What became of one relocation on one kernel.
 *
 * - `same`, `changed`: found, and the instruction is as compiled, or adjusted. For bitfields
 *   compilers may choose another word to load than relocation does, so that these can change where
 *   the kernel's type has not.
 * - `absent`: a question for existence or size was answered 0.
 * - `poisoned`: there is no answer, and the instruction may be reached, so that the verifier
 *   refuses the program.
 * - `guarded`: there is none, but the instruction was shown to be dead code on this kernel.
 * - `ambiguous`: the kernel's types contradict each other. `error`: the question makes no sense.
 */
export type Verdict =
  | "same"
  | "changed"
  | "absent"
  | "poisoned"
  | "guarded"
  | "ambiguous"
  | "error";

/** All verdicts, the good ones first. */
export const verdicts: readonly Verdict[] = [
  "same",
  "changed",
  "absent",
  "guarded",
  "poisoned",
  "ambiguous",
  "error",
];

/** A number of a relocation; a decimal string where a double cannot hold it. */
export type ReportNumber = number | string;

/** Where an instruction comes from. */
export interface ReportSource {
  readonly file: string;
  readonly line: number;
  readonly text: string;
}

/** One relocation of one program on one kernel. */
export interface CheckRow {
  /** Index in `objects`. */
  readonly object: number;
  /** Index in `kernels`. */
  readonly kernel: number;
  readonly program: string;
  /** The ELF section of the instruction, and its byte offset there, as .BTF.ext records them. */
  readonly section: string;
  readonly offset: number;
  /** Such as `field_byte_offset`. */
  readonly kind: string;
  /** Root type as C text, such as `struct task_struct`. */
  readonly root: string;
  readonly accessor: string;
  /** Such as `task_struct.se.vruntime`. */
  readonly path: string;
  /** The number that the object was compiled with; null where the question makes no sense there. */
  readonly local: ReportNumber | null;
  /** The number in the kernel; null where there is none. */
  readonly target: ReportNumber | null;
  /**
   * Whether the kernel has what is asked for: the verdict does not always tell, since an
   * instruction may be unable to take the answer. Null where it could not be decided.
   */
  readonly exists: boolean | null;
  readonly verdict: Verdict;
  /** The 8 or 16 bytes of the instruction, in hexadecimal. */
  readonly before: string;
  readonly after: string;
  readonly source: ReportSource | null;
  /** Why the verdict is not a good one. */
  readonly message: string | null;
  /** The module whose types answered; left out for vmlinux. */
  readonly module?: string;
}

/** A kernel of a report. */
export interface ReportKernel {
  readonly name: string;
  /** Types in its BTF, `void` included. */
  readonly types: number;
  readonly sha256?: string;
  /** Names of the modules whose types were at hand; left out where there were none. */
  readonly modules?: readonly string[];
}

/** A program's instructions with CO-RE applied for one kernel. */
export interface RelocatedInstructions {
  readonly name: string;
  /** In hexadecimal; descriptors, ids and addresses zero. */
  readonly bytes: string;
}

/** An object of a report. */
export interface ReportObject {
  readonly file?: string;
  readonly sha256?: string;
  /** Why the file is no object that can be checked; it has no programs then, and is not ok. */
  readonly error?: string;
  readonly programs: readonly {
    readonly name: string;
    readonly section: string;
    readonly relocations: number;
  }[];
  /** Only when asked for. */
  readonly kernels?: readonly {
    readonly kernel: number;
    readonly programs: readonly RelocatedInstructions[];
  }[];
}

/** One object on one kernel in short. */
export interface ReportSummary {
  readonly object: number;
  readonly kernel: number;
  /** No row is poisoned, ambiguous or an error, and the object could be read. */
  readonly ok: boolean;
  /** Rows by verdict; verdicts without rows are left out. */
  readonly counts: Readonly<Partial<Record<Verdict, number>>>;
}

/** Every relocation of every object on every kernel. */
export interface CheckReport {
  readonly schema: 1;
  /** Every summary is. */
  readonly ok: boolean;
  readonly kernels: readonly ReportKernel[];
  readonly objects: readonly ReportObject[];
  readonly rows: readonly CheckRow[];
  readonly summary: readonly ReportSummary[];
  /** Only where it was compared with an earlier report. */
  readonly baseline?: ReportBaseline;
}

/** How a report differs from an earlier one, its baseline. */
export interface ReportBaseline {
  /** Nothing is worse. */
  readonly ok: boolean;
  /** Verdicts that fail and did not before, those of new rows included. */
  readonly worse: readonly ReportChange[];
  /** Verdicts that failed before and do not fail now. */
  readonly better: readonly ReportChange[];
  /** What was found before and is absent or guarded now: programs load, with less to show. */
  readonly lost: readonly ReportChange[];
  /** Files that could not be read now and could before, or were not there. */
  readonly unreadable: readonly string[];
  /** Rows that fail as they did before. */
  readonly known: number;
  /** Rows that the baseline did not have, and those that only it has. */
  readonly added: number;
  readonly removed: number;
  /** Kernels and objects that the baseline did not have. */
  readonly newKernels: readonly string[];
  readonly newObjects: readonly string[];
  /** Kernels whose types are not those of the baseline any more. */
  readonly changedKernels: readonly string[];
  /** Kernels and objects of the baseline that were not checked now: their rows are among `removed`. */
  readonly uncheckedKernels: readonly string[];
  readonly uncheckedObjects: readonly string[];
}

/** A row whose verdict is not that of the baseline. */
export interface ReportChange {
  /** Index in `rows`. */
  readonly row: number;
  /** The verdict in the baseline; null for a row that it did not have. */
  readonly before: Verdict | null;
}

/** Whether a program with such a row can be loaded. */
export function isGood(verdict: Verdict): boolean {
  return verdict !== "poisoned" && verdict !== "ambiguous" && verdict !== "error";
}
