/**
 * Reads the verifier's log: which instructions it walked through last, and what it complains of. What that means is not known here.
 *
 * Since Linux 5.8 what stands in the log at level 1 is one way through the program, from its begin to the refused instruction.
 *
 * @module
 */

/** An instruction that the verifier looked at. */
export interface LogStep {
  slot: number;
  /** As the verifier prints it, such as `r0 = *(u32 *)(r0 +0)`. */
  text: string;
  /** Index of its line in the log. */
  line: number;
}

/** A number for everything that is sought in a log from its end: forged and endless ones are long. */
const MAX_LINES = 200_000;
/** Characters of a line that are read. */
const MAX_LENGTH = 2000;
/** Complaints that are read; the verifier has one to three. */
const MAX_COMPLAINTS = 20;

/** Lines that only show the verifier's state, or what it made of things on the way. */
const NOISE = new RegExp(
  `^\\s*(?:${[
    String.raw`processed \d+ insns|verification time|stack depth|insns processed|max_states|peak_states`,
    String.raw`mark_precise|last_idx \d|regs=|parent (?:didn't|already) ha|propagating`,
    String.raw`\d+: (?:frame\d+: )?R\d|(?:frame\d+: )?R\d+[_=]|from \d+ to \d+|(?:cur|old) state:|;`,
    String.raw`(?:caller|callee|returning from callee|to caller at \d+):?|func#\d+ @\d+|Live regs before insn`,
    String.raw`func '[^']*' arg\d+ (?:has btf_id|type)|Validating |Func#\d+ is safe|Global function`,
    String.raw`arg#\d+ (?:type is not a struct|reference type)|Unrecognized arg#|reg type unsupported for arg#`,
    String.raw`\(the first \d+ bytes of the log are left out\)`,
  ].join("|")})`,
);
/** Since Linux 7.3 a report for people follows, which says all of it once more. */
const REPORT = "Verification failed: ";
const INSTRUCTION = /^(\d+): \([0-9a-f]{2}\) (.*)$/;
/**
 * Complaints made before an instruction is looked at. When the verifier goes back to a branch that it left for later, it cuts its log
 * off behind the branch, whose newline registers had replaced: what it says next stands in the same line (`bpf_vlog_reset`).
 */
const UNBROKEN =
  / (?:infinite loop detected at insn \d+|BPF program is too large\. |invalid insn idx \d|verifier bug: )/;
/** What newer kernels print behind an instruction: registers, after a semicolon or the number of the next. */
const STATE = new RegExp(String.raw`\s*;.*$|\s+\d+: (?:frame\d+: )?R\d.*$|${UNBROKEN.source}.*$`);
/** Some complaints lack the newline. */
const STATISTICS = /(.)processed \d+ insns .*$/;

/** The log of a refusal, read from its end. */
export class VerifierLog {
  readonly lines: readonly string[];
  /** What the verifier complains of behind the last instruction, in its order. */
  readonly complaints: readonly string[];
  /** The last instruction that it looked at, undefined where it looked at none. */
  readonly last: LogStep | undefined;

  constructor(lines: readonly string[]) {
    this.lines = lines;
    const report = lines.findLastIndex((line) => line.startsWith(REPORT));
    const end = report === -1 ? lines.length : report;
    const complaints: string[] = [];
    let last: LogStep | undefined;
    for (let index = end - 1; index >= Math.max(0, end - MAX_LINES); index--) {
      const line = lines[index]!;
      last = stepAt(line, index);
      const text = (last === undefined ? line.slice(0, MAX_LENGTH) : unbroken(line))
        .replace(STATISTICS, "$1")
        .trim();
      const isComplaint = text !== "" && !NOISE.test(text);
      if (isComplaint && complaints.length < MAX_COMPLAINTS) complaints.push(text);
      if (last !== undefined) break;
    }
    if (complaints.length === 0 && report !== -1) {
      complaints.push(lines[report]!.slice(REPORT.length, MAX_LENGTH).trim());
    }
    this.complaints = complaints.reverse();
    this.last = last;
  }

  /** The instructions before line `before`, the latest first. */
  *backwards(before: number): Generator<LogStep> {
    const first = Math.max(0, before - MAX_LINES);
    for (let index = before - 1; index >= first; index--) {
      const step = stepAt(this.lines[index]!, index);
      if (step !== undefined) yield step;
    }
  }
}

/** The complaint that stands behind an instruction; empty where there is none. */
function unbroken(line: string): string {
  const text = line.slice(0, MAX_LENGTH);
  const at = text.search(UNBROKEN);
  return at === -1 ? "" : text.slice(at);
}

function stepAt(line: string, index: number): LogStep | undefined {
  const code = line.charCodeAt(0);
  // Most lines of a long log are no instructions: no need to look closer.
  if (code < 0x30 || code > 0x39) return undefined;
  const found = INSTRUCTION.exec(line.slice(0, MAX_LENGTH));
  if (found === null) return undefined;
  return { slot: Number(found[1]), text: found[2]!.replace(STATE, ""), line: index };
}
