import { closeSync, existsSync, openSync, readSync, writeSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { lirc, lircPrograms } from "../../links/lirc.ts";
import {
  alu,
  assemble,
  exit,
  jumpIf,
  label,
  load,
  loadMapValue,
  setImm,
  store,
} from "../../src/asm/index.ts";
import { hostLittleEndian, viewOf } from "../../src/bytes.ts";
import { CollectionSpec } from "../../src/collection.ts";
import { UnsupportedError } from "../../src/error.ts";
import { Program } from "../../src/program.ts";
import { programInfo } from "../../src/program-info.ts";
import { mapCreate, programLoad } from "../../src/sys/bpf.ts";
import { native } from "../../src/sys/ffi.ts";
import { MapAccess } from "../../src/sys/map-access.ts";
import { TargetError } from "../../src/target-error.ts";
import { AttachType, MapType, ProgramType } from "../../src/uapi.ts";
import { fixturePath } from "../helper/fixtures.ts";
import { assertNothingLeft } from "../helper/hygiene.ts";
import { hostTest, type KernelNeeds, kernelTest } from "../helper/kernel.ts";
import { eventually } from "../helper/process.ts";
import { Counter } from "./counter.ts";
import { hasCode, isA, isTarget } from "./errors.ts";

const test = suite("links/lirc");
const DEVICE = "/dev/lirc0";
const LOOPBACK: KernelNeeds = {
  needs: "lirc_mode2 programs and rc-loopback",
  config: ["CONFIG_BPF_LIRC_MODE2", "CONFIG_RC_LOOPBACK"],
  guest: "6.12-lirc",
  obstacle: () => (existsSync(DEVICE) ? undefined : `there is no ${DEVICE}`),
};
/** Samples that are kept. */
const MOST = 64;
const PROG_ATTACH = 8;
const PROG_DETACH = 9;

interface Call {
  command: number;
  /** target_fd, attach_bpf_fd, attach_type, attach_flags, and what follows, of `union bpf_attr`. */
  words: number[];
}

/** Runs a body on a kernel that attaches and detaches whatever it is told; what it was told. */
function recording(body: () => void): Call[] {
  const table = native() as { bpf: (...parameters: number[]) => number };
  const real = table.bpf;
  const calls: Call[] = [];
  table.bpf = (...parameters) => {
    const [, command = 0, address = 0, size = 0] = parameters;
    if (command !== PROG_ATTACH && command !== PROG_DETACH) return real(...parameters);
    calls.push({ command, words: words(address, size) });
    return 0;
  };
  try {
    body();
  } finally {
    table.bpf = real;
  }
  return calls;
}

/** What is in this process's memory, as numbers of 32 bits. */
function words(address: number, size: number): number[] {
  const memory = openSync("/proc/self/mem", "r");
  try {
    const bytes = new Uint8Array(size);
    assert.is(readSync(memory, bytes, 0, size, address), size);
    const view = viewOf(bytes);
    return Array.from({ length: size / 4 }, (_, at) => view.getUint32(at * 4, hostLittleEndian));
  } finally {
    closeSync(memory);
  }
}

/** A program that is said to be of the type, which no kernel of the matrix has. */
function decoder(): { counter: Counter; program: Parameters<typeof lirc>[0] } {
  const counter = new Counter({ type: ProgramType.SOCKET_FILTER });
  const { fd } = counter.program;
  return {
    counter,
    program: { name: "decode", type: ProgramType.LIRC_MODE2, attachType: 16, attachTo: "", fd },
  };
}

hostTest(test, "the calls that attach and detach, word by word", async () => {
  await assertNothingLeft(() => {
    const { counter, program } = decoder();
    using _open = counter;
    const calls = recording(() => {
      using link = lirc(program, "/dev/null");
      assert.is(link.kind, "lirc_mode2");
      assert.is(link.description, "decode to lirc_mode2 of /dev/null");
      assert.is(link.outlivesProcess, true);
      assert.throws(() => link.update(program), isA(UnsupportedError));
      assert.throws(() => link.pin("/x"), isA(UnsupportedError));
    });
    assert.equal(
      calls.map(({ command }) => command),
      [PROG_ATTACH, PROG_DETACH],
    );
    for (const { words: said } of calls) {
      const [target, attached, ...rest] = said;
      assert.ok(target! > 2 && attached! > 2 && target !== attached);
      // `BPF_LIRC_MODE2`, without flags.
      assert.equal(rest, [16, ...rest.slice(1).map(() => 0)]);
    }
    assert.equal(calls[0]!.words, calls[1]!.words);
  });
});

hostTest(test, "devices that are none, and kernels without", async () => {
  await assertNothingLeft(() => {
    const { counter, program } = decoder();
    using _open = counter;
    assert.throws(() => lirc(program, "/dev/no-such-lirc"), isTarget("ENOENT"));
    assert.throws(() => lircPrograms("/dev/no-such-lirc"), isTarget("ENOENT"));
    assert.throws(() => lirc(program, ""), isA(TypeError));
    assert.throws(() => lirc(counter.program, "/dev/null"), /the hook takes lirc_mode2/);
    for (const other of ["/dev/null", fileURLToPath(import.meta.url)]) {
      assert.throws(() => lirc(program, other), isTarget("ERR_TARGET"));
      assert.throws(() => lirc(program, other), /it is no receiver of a remote control/);
      assert.throws(() => lircPrograms(other), isTarget("ERR_TARGET"));
    }
  });
});

/** A loaded program that keeps the samples it gets, in their order. */
class Samples implements Disposable {
  readonly program: Program;
  readonly #map = mapCreate(
    { type: MapType.ARRAY, keySize: 4, valueSize: 8 + 4 * MOST, maxEntries: 1 },
    "map samples",
  );
  readonly #access = new MapAccess(this.#map, 4, 8 + 4 * MOST);

  constructor() {
    const { bytes, references } = assemble([
      load("r7", "u32", "r1", 0),
      loadMapValue("r8", "samples"),
      load("r1", "u64", "r8", 0),
      jumpIf("r1", ">=", MOST, "full"),
      alu("r2", "=", "r1"),
      alu("r2", "<<=", 2),
      alu("r2", "+=", "r8"),
      store("u32", "r2", 8, "r7"),
      alu("r1", "+=", 1),
      store("u64", "r8", 0, "r1"),
      label("full"),
      alu("r0", "=", 0),
      exit(),
    ]);
    for (const { slot } of references) {
      setImm(viewOf(bytes), slot, hostLittleEndian, this.#map.number);
    }
    const type = ProgramType.LIRC_MODE2;
    const result = programLoad({ name: "decode", license: "GPL", type, instructions: bytes });
    assert.ok(result.fd !== undefined, `load: errno ${result.errno}`);
    this.program = new Program(result.fd, {
      ...{ name: "decode", type, attachType: AttachType.LIRC_MODE2, attachTo: "" },
    });
  }

  /** Type and microseconds of each, as in include/uapi/linux/lirc.h. */
  get all(): string[] {
    assert.ok(this.#access.lookup());
    const view = viewOf(this.#access.value);
    const types = ["space", "pulse", "frequency", "timeout"];
    return Array.from({ length: view.getUint32(0, hostLittleEndian) }, (_, at) => {
      const sample = view.getUint32(8 + 4 * at, hostLittleEndian);
      return `${types[sample >>> 24]} ${sample & 0xff_ffff}`;
    });
  }

  [Symbol.dispose](): void {
    this.program.close();
    this.#map.close();
  }
}

/** Sends pulses and spaces by turns; the loopback device hears them, then a silence. */
function transmit(microseconds: readonly number[]): void {
  const device = openSync(DEVICE, "w");
  try {
    writeSync(device, new Uint8Array(Uint32Array.from(microseconds).buffer));
  } finally {
    closeSync(device);
  }
}

kernelTest(test, "by section, at the receiver that is given", LOOPBACK, async () => {
  const spec = CollectionSpec.fromFile(fixturePath("sections.el.o"));
  for (const [name, program] of Object.entries(spec.programs)) {
    program.autoload = name === "on_lirc_mode2";
  }
  await using bpf = await spec.load();
  {
    using links = bpf.attach({ receiver: DEVICE });
    assert.equal([...links.byProgram.keys()], ["on_lirc_mode2"]);
    assert.is(lircPrograms(DEVICE).programs.length, 1);
  }
  assert.is(lircPrograms(DEVICE).programs.length, 0);
});

kernelTest(
  test,
  "a program gets what a receiver hears, until it is detached",
  LOOPBACK,
  async () => {
    await assertNothingLeft(async () => {
      using samples = new Samples();
      using other = new Samples();
      const { program } = samples;
      const attached = () => lircPrograms(DEVICE).programs.map(({ id }) => id);
      const id = programInfo(program.fd).id;
      assert.equal(attached(), []);
      transmit([2400, 600, 1200]);
      assert.equal(samples.all, []);
      {
        using link = lirc(program, DEVICE);
        assert.is(link.description, `decode to lirc_mode2 of ${DEVICE}`);
        assert.equal(attached(), [id]);
        assert.throws(() => lirc(program, DEVICE), hasCode("EEXIST"));
        using second = lirc(other.program, DEVICE);
        assert.equal(attached(), [id, programInfo(other.program.fd).id]);
        second.close();
        assert.equal(attached(), [id]);
        transmit([2400, 600, 1200]);
        // The silence after what was sent before may come first.
        const wanted = /(^|,)pulse 2400,space 600,pulse 1200,timeout \d+$/;
        assert.ok(await eventually(() => wanted.test(samples.all.join())), samples.all.join());
        const heard = samples.all;
        for (const bad of ["/dev/null", "/dev/tty"]) {
          assert.throws(() => lirc(program, bad), isA(TargetError));
        }
        const { length } = heard;
        link.close();
        assert.equal(attached(), []);
        using again = lirc(other.program, DEVICE);
        transmit([900]);
        assert.ok(await eventually(() => other.all.includes("pulse 900")));
        assert.is(samples.all.length, length);
        assert.is(again.closed, false);
      }
      assert.equal(attached(), []);
    });
  },
);

test.run();
