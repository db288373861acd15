/**
 * B3.e2e and B4.e2e: another process makes system calls on one CPU, each of which makes records, and
 * this one reads them on another CPU as they come.
 *
 * @module
 */

import { spawn } from "node:child_process";
import { setTimeout as sleep } from "node:timers/promises";
import type { RecordCallback } from "../maps/reading.ts";
import { openRings, pin, RING_BYTES } from "./rings.ts";
import { print } from "./sample.ts";

/** What is measured. */
export interface EndToEnd {
  readonly object: string;
  readonly kind: "rb" | "pb";
  readonly seconds: string;
  /** Records for each system call. */
  readonly burst: number;
  /** Records between two wake-ups, 0 for the default. */
  readonly wake: number;
  /**
   * The program that makes the system calls, or the script of one for Node: `gen CPU SECONDS`, from a
   * byte on its input on.
   */
  readonly generator: string;
}

/** Milliseconds in which code is compiled that runs for the first time: what is lost later is also told by itself. */
const FIRST = 100;

/** Reads in place, as the events come. */
export async function endToEnd(options: EndToEnd): Promise<void> {
  const { object: path, kind, seconds, burst, wake } = options;
  const name = `gen_${kind}`;
  using object = openRings(path, name);
  pin(1);
  if (kind === "pb") {
    object.pb.openBuffers({ size: RING_BYTES, ...(wake > 0 && { wakeupEvents: wake }) });
  }
  const isScript = options.generator.endsWith(".js");
  const command = isScript ? [process.execPath, options.generator] : [options.generator];
  const generator = spawn(command[0]!, [...command.slice(1), "0", seconds], {
    stdio: ["pipe", "inherit", "inherit"],
  });
  const ended = new Promise<void>((resolve, reject) => {
    generator.on("error", reject);
    generator.on("close", () => resolve());
  });
  const settings = { tgid: generator.pid!, burst, wake };
  object.set(settings);
  object.attach(name);
  let taken = 0;
  let sum = 0;
  const take: RecordCallback = (view, offset) => {
    sum += view.getUint32(offset, true);
    taken++;
  };
  let lost = 0;
  await sleep(50);
  const empty = () => {
    if (kind === "rb") object.rb.consume(take);
    else object.pb.consume(take);
  };
  empty();
  object.set(settings);
  taken = 0;
  const stop = new AbortController();
  const { signal } = stop;
  const listening =
    kind === "rb"
      ? object.rb.listen(take, { signal })
      : object.pb.listen(take, { signal, lost: (events) => (lost += events.lost) });
  const start = performance.now();
  const before = process.cpuUsage();
  let first = { dropped: 0, taken: 0 };
  const timer = setTimeout(() => {
    first = { dropped: object.counts().dropped, taken };
  }, FIRST);
  generator.stdin.write("x");
  await ended;
  clearTimeout(timer);
  stop.abort();
  await listening;
  empty();
  const elapsed = performance.now() - start;
  const { user, system } = process.cpuUsage(before);
  const cpu = (user + system) * 1000;
  const { produced, dropped } = object.counts();
  if (kind === "rb" && taken !== produced) throw new Error(`${taken} of ${produced} were read`);
  const bench = `${kind === "rb" ? "B3" : "B4"}.e2e`;
  const variant = `burst${burst}.wake${wake}.callback`;
  print(`${bench}.rate`, variant, taken / elapsed / 1000, "M/s");
  print(`${bench}.lost`, variant, (100 * dropped) / (taken + dropped), "%");
  const later = dropped - first.dropped;
  print(`${bench}.lost.later`, variant, (100 * later) / (taken - first.taken + later), "%");
  print(`${bench}.cpu`, variant, cpu / taken, "ns/rec");
  print(`${bench}.busy`, variant, cpu / elapsed / 10_000, "%");
  if (!Number.isFinite(sum + lost)) throw new Error("nothing was read");
}
