/** Objects with externs in the running kernel: what programs see of them. */

import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { release } from "node:os";
import { gunzipSync } from "node:zlib";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { Kind } from "../../btf/index.ts";
import {
  alu,
  callKernelFunction,
  exit,
  immAt,
  jumpIf,
  label,
  loadImm64,
  opcodeAt,
  SLOT,
  setImm,
} from "../../src/asm/index.ts";
import { hostLittleEndian, viewOf } from "../../src/bytes.ts";
import { CollectionSpec } from "../../src/collection.ts";
import { BpfError, VerifierError } from "../../src/error.ts";
import type { KconfigOverrides } from "../../src/externs/index.ts";
import type { ProgramSpec } from "../../src/spec/index.ts";
import { kernelBtf, moduleBtf, moduleNames } from "../../src/sys/kernel-btf.ts";
import { ProgramType } from "../../src/uapi.ts";
import { fixtureObjects, fixturePath } from "../helper/fixtures.ts";
import { assertNothingLeft } from "../helper/hygiene.ts";
import { kernelTest } from "../helper/kernel.ts";
import { type Declaration, objectWith } from "./double.ts";
import { programWith } from "./program.ts";

const test = suite("externs: loading");
const PACKET = new Uint8Array(64);

function read(name: string): CollectionSpec {
  return CollectionSpec.fromFile(fixturePath(name));
}

function variants(base: string): string[] {
  return fixtureObjects().filter((name) => name.startsWith(`${base}.`) && name.endsWith(".el.o"));
}

function refusal(message: RegExp): (error: unknown) => boolean {
  return (error) =>
    error instanceof BpfError && error.code === "ERR_EXTERN" && message.test(error.message);
}

/** Lines of the kernel's configuration by option, undefined where there is no file of it. */
function configuration(): Map<string, string> | undefined {
  const path = [`/boot/config-${release()}`, "/proc/config.gz"].find((file) => existsSync(file));
  if (path === undefined) return undefined;
  const bytes = readFileSync(path);
  const text = path.endsWith(".gz") ? gunzipSync(bytes).toString() : bytes.toString();
  return new Map(
    [...text.matchAll(/^(CONFIG_\w+)=(.*)$/gm)].map(([, name, value]) => [name!, value!]),
  );
}

/** The kernel's list, read once: making it takes an emulated guest most of a second. */
let symbols = "";

/** Address of a symbol, from the kernel's list; undefined when it is not there. */
function kallsyms(name: string): bigint | undefined {
  symbols ||= readFileSync("/proc/kallsyms", "latin1");
  const line = new RegExp(`^([0-9a-f]+) \\S ${name}$`, "m");
  const match = line.exec(symbols);
  return match === null ? undefined : BigInt(`0x${match[1]}`);
}

/** What the program of kconfig.bpf.c wrote down. */
async function result(
  object: string,
  kconfig?: KconfigOverrides,
): Promise<Record<string, unknown>> {
  await using bpf = await read(object).load(kconfig === undefined ? {} : { kconfig });
  bpf.programs["program"]!.run({ data: PACKET });
  return bpf.variables["result"]!.get() as Record<string, unknown>;
}

const ALL: KconfigOverrides = {
  CONFIG_BPF_SYSCALL: true,
  CONFIG_NET: "m",
  CONFIG_BPF: "n",
  CONFIG_HZ: 250,
  CONFIG_NR_CPUS: 4096,
  CONFIG_PHYSICAL_START: 0x1234_5678_9abcn,
  CONFIG_DEFAULT_HOSTNAME: "eight chars and more",
  CONFIG_NO_SUCH_OPTION: -7,
};

for (const object of variants("kconfig")) {
  kernelTest(test, `${object}: programs see the values that the caller gives`, async () => {
    const { version, has_cookie, has_wrapper, ...values } = await result(object, ALL);
    assert.equal(values, {
      has_bpf_syscall: 1,
      net: 2,
      bpf: "n".charCodeAt(0),
      hz: 250,
      cpus: 4096,
      physical_start: 0x1234_5678_9abcn,
      no_such_option: 0xffff_fff9,
      hostname: "eight ch",
    });
    const [major = 0, minor = 0] = release().split(".").map(Number);
    assert.is((version as number) >> 8, major * 256 + minor);
    const wrapper = process.arch === "x64" ? "__x64_sys_bpf" : "__arm64_sys_bpf";
    assert.is(has_wrapper, kallsyms(wrapper) === undefined ? 0 : 1);
    // The symbol is the helper's own; it came with Linux 5.15.
    assert.is(has_cookie, kallsyms("bpf_get_attach_cookie_trace") === undefined ? 0 : 1);
  });

  kernelTest(test, `${object}: programs see the kernel's own configuration`, async () => {
    const config = configuration();
    if (config === undefined) {
      return assert.throws(
        () => read(object).loadSync(),
        refusal(/is not at hand: looked for \/boot/),
      );
    }
    const values = await result(object);
    const letter = (name: string): string => config.get(name) ?? "n";
    const number = (name: string): bigint => BigInt(config.get(name) ?? 0);
    assert.is(values["has_bpf_syscall"], letter("CONFIG_BPF_SYSCALL") === "y" ? 1 : 0);
    assert.is(values["net"], { n: 0, y: 1, m: 2 }[letter("CONFIG_NET")]);
    assert.is(values["bpf"], config.has("CONFIG_BPF") ? letter("CONFIG_BPF").charCodeAt(0) : 0);
    assert.is(BigInt(values["hz"] as number), number("CONFIG_HZ"));
    assert.is(BigInt(values["cpus"] as number), number("CONFIG_NR_CPUS"));
    assert.is(values["physical_start"], number("CONFIG_PHYSICAL_START"));
    assert.is(values["no_such_option"], 0);
    assert.is(values["hostname"], config.get("CONFIG_DEFAULT_HOSTNAME")?.slice(1, -1).slice(0, 8));
  });
}

kernelTest(
  test,
  "a strong option that is not set fails the load, unless the caller sets it",
  async () => {
    const spec = read("kconfig-strong.el.o");
    if (configuration() !== undefined) {
      await assertNothingLeft(() => {
        assert.throws(
          () => spec.loadSync(),
          refusal(/CONFIG_NO_SUCH_OPTION, which is not set in \//),
        );
      });
    }
    await using bpf = await spec.load({ kconfig: "CONFIG_NO_SUCH_OPTION=42\n" });
    assert.is(bpf.programs["program"]!.run({ data: PACKET }).returnValue, 42);
  },
);

for (const object of variants("ksyms")) {
  kernelTest(test, `${object}: programs get the addresses of symbols`, async () => {
    await using bpf = await read(object).load();
    await using _links = bpf.attach();
    execFileSync("true");
    const addresses = ["vfs_open", "bpf_prog_put", "missing"].map((name) => {
      return bpf.variables[`${name}_address`]!.get();
    });
    assert.equal(addresses, [kallsyms("vfs_open"), kallsyms("bpf_prog_put") ?? 0n, 0n]);
  });
}

for (const object of variants("ksyms-typed")) {
  kernelTest(test, `${object}: programs read variables of the kernel`, async () => {
    const spec = read(object);
    if (kernelBtf().find("runqueues", Kind.VAR) === undefined) {
      // Types of variables came with later versions of pahole than some kernels were built with.
      return assert.throws(() => spec.loadSync(), refusal(/no variable runqueues/));
    }
    if (kallsyms("runqueues") === undefined) {
      // Resolved by type; but the kernel itself looks the address up in a list that has variables
      // with CONFIG_KALLSYMS_ALL only.
      await assertNothingLeft(() => {
        assert.throws(
          () => spec.loadSync(),
          (error: unknown) => error instanceof VerifierError && /'runqueues'/.test(error.message),
        );
      });
      return;
    }
    await using bpf = await spec.load();
    await using _links = bpf.attach();
    execFileSync("true");
    assert.is(bpf.variables["cpu"]!.get(), 0);
    assert.is(bpf.variables["missing"]!.get(), -1);
  });
}

/** The fixture looks for process 1, which may be hidden; every kernel has a thread 2, kthreadd. */
function lookForThreadTwo({ instructions, references }: ProgramSpec): void {
  const view = viewOf(instructions);
  let slot = references.find(({ kind, name }) => kind === "kfunc" && name === LOOK_UP)!.slot;
  // `r1 = …`, of 64 bits or 32.
  while (![0xb7, 0xb4].includes(opcodeAt(view, slot)) || view.getUint8(slot * SLOT + 1) !== 1)
    slot--;
  assert.is(immAt(view, slot, hostLittleEndian), 1);
  setImm(view, slot, hostLittleEndian, 2);
}

const LOOK_UP = "bpf_task_from_pid";

for (const object of variants("kfunc")) {
  kernelTest(test, `${object}: programs call functions of the kernel, if it has them`, async () => {
    await assertNothingLeft(async () => {
      const spec = read(object);
      lookForThreadTwo(spec.programs["use"]!);
      await using bpf = await spec.load();
      await using _links = bpf.attach();
      execFileSync("true");
      const has = kernelBtf().find(LOOK_UP, Kind.FUNC) !== undefined;
      assert.is(bpf.variables["found"]!.get(), has ? 1 : -1);
      assert.is(bpf.variables["missing"]!.get(), -1);
    });
  });
}

kernelTest(test, "an unguarded call of an absent function is refused by its name", async () => {
  const symbols = objectWith({ name: "no_such_function", prototype: ["int", "int"], weak: true });
  const statements = [alu("r1", "=", 1), callKernelFunction("no_such_function"), exit()];
  const spec = programWith(ProgramType.SOCKET_FILTER, symbols, statements);
  for (const load of [() => spec.load(), async () => spec.loadSync()]) {
    const error = await load().then(
      () => undefined,
      (reason: unknown) => reason,
    );
    assert.instance(error, VerifierError);
    assert.match(
      (error as VerifierError).message,
      /program program: this kernel has no function no_such_function, and the call of no_such_function is not guarded by bpf_ksym_exists\(no_such_function\) \(instruction 1: call/,
    );
  }
});

kernelTest(test, "an absent strong function fails the load before anything is made", async () => {
  const symbols = objectWith({ name: "no_such_function", prototype: ["int", "int"] });
  const spec = programWith(ProgramType.SOCKET_FILTER, symbols, [alu("r0", "=", 0), exit()]);
  await assertNothingLeft(() => {
    assert.throws(
      () => spec.loadSync(),
      refusal(/no function no_such_function, neither in vmlinux/),
    );
  });
  assert.throws(() => read("extern-undefined.el.o").loadSync(), refusal(/defined_nowhere/));
});

/**
 * A function of a module that programs may call, Linux 5.18, and a module that many machines have.
 */
const MODULE = "nf_conntrack";
const FUNCTION = "bpf_ct_release";

const MODULE_FUNCTIONS = {
  needs: "kernel functions of modules",
  since: "5.18",
  config: ["CONFIG_NF_CONNTRACK", "CONFIG_DEBUG_INFO_BTF_MODULES"],
  module: MODULE,
  obstacle: (): string | undefined => {
    const has =
      moduleNames().includes(MODULE) && moduleBtf(MODULE).find(FUNCTION, Kind.FUNC) !== undefined;
    return has ? undefined : `module ${MODULE} has no type of ${FUNCTION}`;
  },
};

const declared: Declaration = {
  name: FUNCTION,
  prototype: ["void", "task *"],
};

kernelTest(
  test,
  "functions of a module are called through the module's descriptor",
  MODULE_FUNCTIONS,
  async () => {
    // The kernel looks up every call, and checks the arguments only of those that are reached.
    const statements = [
      alu("r0", "=", 0),
      jumpIf("r0", "==", 0, "end"),
      callKernelFunction(FUNCTION),
      label("end"),
      exit(),
    ];
    await assertNothingLeft(async () => {
      const spec = programWith(ProgramType.XDP, objectWith(declared), statements);
      await using bpf = await spec.load();
      assert.is(bpf.programs["program"]!.run({ data: PACKET }).returnValue, 0);
      spec.loadSync().close();
    });
  },
);

kernelTest(test, "functions of a module have an address, Linux 6.4", MODULE_FUNCTIONS, async () => {
  const statements = [
    loadImm64("r1", 0),
    alu("r0", "=", 0),
    jumpIf("r1", "==", 0, "end"),
    alu("r0", "=", 2),
    label("end"),
    exit(),
  ];
  const symbols = objectWith({ ...declared, weak: true });
  const spec = programWith(ProgramType.XDP, symbols, statements, { 0: FUNCTION });
  await assertNothingLeft(async () => {
    try {
      await using bpf = await spec.load();
      assert.is(bpf.programs["program"]!.run({ data: PACKET }).returnValue, 2);
    } catch (error) {
      // Kernels before take the id, but want it to be a variable's.
      if (!(error instanceof VerifierError) || !/isn't KIND_VAR/.test(error.message)) throw error;
    }
  });
});

test.run();
