/**
 * `ebpf trace`: what programs write with `bpf_printk`, a line each.
 *
 * @module
 */

import type { TraceRecord } from "../trace-line.ts";
import { tracePipe } from "../trace-pipe.ts";
import { type Command, CommandError, readArguments } from "./command.ts";
import { interruptible } from "./interrupt.ts";
import { plain, toJson } from "./output.ts";
import { milliseconds } from "./value.ts";

/** Runs until a signal, `--duration` or `--count` ends it. */
export const trace: Command = async (args) => {
  const { values, positionals } = readArguments(args, {
    json: { type: "boolean" },
    comm: { type: "string" },
    pid: { type: "string" },
    duration: { type: "string" },
    count: { type: "string" },
  });
  if (positionals.length > 0) {
    throw new CommandError(`trace takes no arguments, and there is ${positionals[0]}`);
  }
  const { comm } = values;
  const pid = values.pid === undefined ? undefined : wholeNumber("--pid", values.pid);
  const count = values.count === undefined ? Infinity : wholeNumber("--count", values.count);
  const duration = values.duration === undefined ? undefined : milliseconds(values.duration);
  return interruptible(async (ending) => {
    const timer = duration === undefined ? undefined : setTimeout(() => ending.abort(), duration);
    try {
      let printed = 0;
      for await (const record of tracePipe({ signal: ending.signal })) {
        if (record.kind === "line") {
          if (comm !== undefined && record.task !== comm) continue;
          if (pid !== undefined && record.pid !== pid) continue;
          printed++;
        }
        process.stdout.write(traceText(record, values.json === true));
        if (printed >= count) break;
      }
    } finally {
      clearTimeout(timer);
    }
    return 0;
  });
};

/** A record as a line, for people or in JSON. */
export function traceText(record: TraceRecord, json: boolean): string {
  if (record.kind === "lost") {
    const { cpu, lost } = record;
    if (json) return `${toJson({ trace: null, lost: lost ?? null, cpu })}\n`;
    return `lost ${lost ?? "some"} lines of CPU ${cpu}\n`;
  }
  const { kind: _, text, ...rest } = record;
  if (json) return `${toJson({ trace: text, ...rest })}\n`;
  const { task, pid, cpu, timestamp } = record;
  return `${timestamp.toFixed(6)} [${String(cpu).padStart(3, "0")}] ${plain(task)}-${pid}: ${plain(text)}\n`;
}

function wholeNumber(option: string, text: string): number {
  const number = Number(text);
  if (/^\d+$/.test(text) && Number.isSafeInteger(number) && number > 0) return number;
  throw new CommandError(`${option} ${text} is no whole number above 0`);
}
