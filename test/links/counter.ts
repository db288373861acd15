/**
 * For the tests of this folder: programs that count their runs and keep one number, and checks that nothing stays open.
 *
 * @module
 */

import { readdirSync, readlinkSync } from "node:fs";
import * as assert from "uvu/assert";
import {
  alu,
  assemble,
  atomic,
  call,
  exit,
  jumpIf,
  label,
  load,
  loadMapValue,
  type Statement,
  setImm,
  store,
} from "../../src/asm/index.ts";
import { hostLittleEndian, viewOf } from "../../src/bytes.ts";
import { Program } from "../../src/program.ts";
import { mapCreate, programLoad } from "../../src/sys/bpf.ts";
import { MapAccess } from "../../src/sys/map-access.ts";
import { MapType } from "../../src/uapi.ts";

/** What a counting program does. */
export interface CounterInput {
  /** `ProgramType`. */
  type: number;
  attachType?: number;
  attachTo?: string;
  attachBtfId?: number;
  /** Only count for this process. Default: for all. */
  pid?: number;
  /** Statements before counting: the context is in r6, the number to keep goes to r7, `"out"` leaves uncounted. */
  before?: Statement[];
  /** Statements after counting, such as what is returned in r0, or written. Default: return 0. */
  after?: Statement[];
}

/** A counting program, loaded. */
export class Counter implements Disposable {
  readonly program: Program;
  readonly #access: MapAccess;
  readonly #close: () => void;

  constructor(input: CounterInput) {
    const map = mapCreate(
      { type: MapType.ARRAY, keySize: 4, valueSize: 16, maxEntries: 1 },
      "map counter",
    );
    this.#access = new MapAccess(map, 4, 16);
    const { type, attachType = 0, attachTo = "", attachBtfId } = input;
    const attributes = {
      name: "count",
      license: "GPL",
      type,
      expectedAttachType: attachType,
      attachBtfId,
      instructions: instructions(input, map.number),
    };
    let result = programLoad(attributes);
    if (result.fd === undefined) result = programLoad(attributes, { level: 1, size: 65_536 });
    if (result.fd === undefined) {
      map.close();
      throw new Error(`load: errno ${result.errno}\n${result.log}`);
    }
    this.program = new Program(result.fd, { name: "count", type, attachType, attachTo });
    this.#close = () => map.close();
  }

  /** Runs so far. */
  get count(): number {
    return Number(this.#read(0));
  }

  /** What the last run kept. */
  get kept(): bigint {
    return this.#read(8);
  }

  #read(at: number): bigint {
    assert.ok(this.#access.lookup());
    return viewOf(this.#access.value).getBigUint64(at, hostLittleEndian);
  }

  [Symbol.dispose](): void {
    this.program.close();
    this.#close();
  }
}

/** Keeps the cookie that the program was attached with. */
export const keepCookie: Statement[] = [
  alu("r1", "=", "r6"),
  call("get_attach_cookie"),
  alu("r7", "=", "r0"),
];

/** Keeps 64 bits of the context. */
export function keepContext(offset: number): Statement[] {
  return [load("r7", "u64", "r6", offset)];
}

function instructions(input: CounterInput, map: number): Uint8Array {
  // Some hooks cannot call helpers, so without a process there is a test that never holds: the verifier wants every
  // instruction reached.
  const onlyFor =
    input.pid === undefined
      ? [jumpIf("r7", "==", 1, "out")]
      : [call("get_current_pid_tgid"), alu("r0", ">>=", 32), jumpIf("r0", "!=", input.pid, "out")];
  const built = assemble([
    alu("r6", "=", "r1"),
    alu("r7", "=", 0),
    ...onlyFor,
    ...(input.before ?? []),
    loadMapValue("r8", "counter"),
    alu("r1", "=", 1),
    atomic("u64", "r8", 0, "+=", "r1"),
    store("u64", "r8", 8, "r7"),
    alu("r0", "=", 0),
    ...(input.after ?? []),
    exit(),
    label("out"),
    alu("r0", "=", 0),
    exit(),
  ]);
  for (const { slot } of built.references) {
    setImm(viewOf(built.bytes), slot, hostLittleEndian, map);
  }
  return built.bytes;
}

/** BPF objects and perf events that this process has open, by kind. */
export function openObjects(): string[] {
  return readdirSync("/proc/self/fd")
    .map((fd) => {
      try {
        return readlinkSync(`/proc/self/fd/${fd}`);
      } catch {
        // The directory's own descriptor.
        return "";
      }
    })
    .filter((target) => /bpf|perf_event/.test(target))
    .sort();
}
