/**
 * Lines of the kernel's trace pipe, taken apart. It reads nothing itself.
 *
 * @module
 */

/** A line that a program wrote with `bpf_printk`, or that another tracer wrote. */
export interface TraceLine {
  readonly kind: "line";
  /** Name of the task, up to 15 bytes; `<idle>`, or `<...>` where the kernel has forgotten it. */
  readonly task: string;
  /** Number of the thread. */
  readonly pid: number;
  /** Number of the process, where tracefs's option `record-tgid` is on. */
  readonly tgid: number | undefined;
  readonly cpu: number;
  /** Interrupts, rescheduling, context, depth of preemption: `d..21`, as `trace` of tracefs explains. */
  readonly flags: string;
  /** By tracefs's `trace_clock`: seconds since the start of the machine, or what the clock counts. */
  readonly timestamp: number;
  /** Who wrote it, such as `bpf_trace_printk`. */
  readonly function: string;
  /** What was written, without a newline at its end. */
  readonly text: string;
}

/** Lines that were lost, since nobody read them in time. */
export interface TraceLoss {
  readonly kind: "lost";
  readonly cpu: number;
  /** How many; undefined where the kernel does not know. */
  readonly lost: number | undefined;
}

/** What comes out of a trace pipe. */
export type TraceRecord = TraceLine | TraceLoss;

/** Task and dash stand before this byte, whatever characters the name is made of (`%16s-%-7d` of kernel/trace/trace_output.c). */
const DASH = 16;
const HEAD =
  /^(\d+)\s+(?:\(\s*(\d+|-+)\)\s+)?\[(\d+)\]\s+(?:(\S{3,8})\s+)?(\d+(?:\.\d+)?):\s([^\s:]+):\s?/;
const LOST = /^CPU:(\d+) \[LOST (?:(\d+) )?EVENTS\]$/;

/**
 * Whole lines, as one read of the pipe returns them. What has the shape of no line goes on with the text of the line before it, which
 * had a newline in it; at the start it is left out.
 */
export function parseTrace(bytes: Uint8Array): TraceRecord[] {
  const records: TraceRecord[] = [];
  let last: { head: Omit<TraceLine, "text">; start: number; end: number } | undefined;
  const flush = (): void => {
    if (last === undefined) return;
    records.push({ ...last.head, text: utf8(bytes.subarray(last.start, last.end)) });
    last = undefined;
  };
  for (let start = 0; start < bytes.length; ) {
    const newline = bytes.indexOf(0x0a, start);
    const end = newline === -1 ? bytes.length : newline;
    const text = latin1(bytes.subarray(start, end));
    const head = headOf(text);
    const lost = head === undefined ? LOST.exec(text) : null;
    if (head !== undefined) {
      flush();
      const name = utf8(bytes.subarray(start, start + DASH)).trimStart();
      last = {
        head: { kind: "line", task: name, ...head.fields },
        start: start + head.length,
        end,
      };
    } else if (lost !== null) {
      flush();
      const count = lost[2] === undefined ? undefined : Number(lost[2]);
      records.push({ kind: "lost", cpu: Number(lost[1]), lost: count });
    } else if (last !== undefined) {
      last.end = end;
    }
    start = end + 1;
  }
  flush();
  return records;
}

/** What stands before the text. */
function headOf(
  text: string,
): { fields: Omit<TraceLine, "kind" | "text" | "task">; length: number } | undefined {
  if (text[DASH] !== "-") return undefined;
  const match = HEAD.exec(text.slice(DASH + 1));
  if (match === null) return undefined;
  const [whole, pid, tgid, cpu, flags = "", time, name = ""] = match;
  return {
    fields: {
      pid: Number(pid),
      tgid: tgid === undefined || tgid.startsWith("-") ? undefined : Number(tgid),
      cpu: Number(cpu),
      flags,
      timestamp: Number(time),
      function: name,
    },
    length: DASH + 1 + whole.length,
  };
}

function latin1(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("latin1");
}

function utf8(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("utf8");
}
