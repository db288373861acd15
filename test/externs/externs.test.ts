import { suite } from "uvu";
import * as assert from "uvu/assert";
import { decode, encodeAll, type Instruction, PseudoSource, SLOT } from "../../src/asm/index.ts";
import { viewOf } from "../../src/bytes.ts";
import { BpfError, BtfError, SyscallError, UnsupportedError } from "../../src/error.ts";
import { Externs, type KsymReference } from "../../src/externs/externs.ts";
import { type ObjectSpec, parseObject } from "../../src/spec/index.ts";
import { readFixture } from "../helper/fixtures.ts";
import { type Declaration, idOf, type KernelDouble, kernelWith, objectWith } from "./double.ts";

const test = suite("externs");

const LOAD: Instruction = { opcode: 0x18, dst: 3, src: 0, offset: 0, imm: 0, imm64: 0n };
const CALL: Instruction = { opcode: 0x85, dst: 0, src: PseudoSource.KFUNC_CALL, offset: 0, imm: 0 };

const acquire: Declaration = { name: "acquire", prototype: ["task *", "int"] };
const release: Declaration = { name: "release", prototype: ["void", "task *"] };

/**
 * One reference of a program to `name`: the instruction that it becomes, and what is said of it.
 */
function patched(
  externs: Externs,
  kind: KsymReference["kind"],
  name: string,
  little = true,
): Instruction & { why: string | undefined } {
  const bytes = encodeAll([LOAD, kind === "ksym" ? LOAD : CALL], little);
  const why = externs.patch("program", viewOf(bytes), little, { slot: 2, kind, name });
  // The instruction before it stays as it is.
  assert.equal(decode(bytes, 0, little), LOAD);
  return { ...decode(bytes, 2, little), why };
}

/** The two immediates of a load. */
function halves({ imm64 = 0n }: Instruction): [low: number, high: number] {
  return [Number(imm64 & 0xffff_ffffn), Number(imm64 >> 32n)];
}

function refusal(message: RegExp): (error: unknown) => boolean {
  return (error) =>
    error instanceof BpfError && error.code === "ERR_EXTERN" && message.test(error.message);
}

function refuses(
  object: ReturnType<typeof objectWith>,
  kernel: KernelDouble,
  message: RegExp,
): void {
  assert.throws(() => new Externs(object, kernel), refusal(message));
  for (const [module, { closed }] of kernel.opened) assert.is(closed, 1, `${module} is left open`);
}

for (const little of [true, false]) {
  test(`functions of vmlinux are called by id, ${little ? "little" : "big"} endian`, () => {
    const kernel = kernelWith([release, acquire], { unused: [acquire] });
    const externs = new Externs(objectWith(acquire), kernel);
    const id = idOf(kernel.vmlinux(), "acquire");
    const call = patched(externs, "kfunc", "acquire", little);
    assert.equal(call, { ...CALL, imm: id, why: undefined });
    const load = patched(externs, "ksym", "acquire", little);
    assert.is(load.src, PseudoSource.BTF_ID);
    assert.is(load.dst, LOAD.dst);
    assert.equal(halves(load), [id, 0]);
    assert.is(externs.fdArray, undefined);
    assert.equal(kernel.read, [], "modules are read although vmlinux has the function");
  });
}

test("functions of a module are called through its slot, their addresses through its descriptor", () => {
  const kernel = kernelWith([{ name: "other", prototype: ["int"] }], {
    first: [{ name: "unrelated", type: "int" }],
    second: [acquire, release],
    third: [acquire],
  });
  const externs = new Externs(objectWith(acquire, release), kernel);
  const module = kernel.moduleBtf("second");
  assert.equal(kernel.read.slice(0, -1), ["first", "second", "first", "second"]);
  assert.equal([...kernel.opened.keys()], ["second"]);
  assert.equal([...externs.fdArray!], [0, 100]);
  assert.equal(
    externs.descriptors.map((fd) => fd.number),
    [100],
  );
  for (const name of ["acquire", "release"]) {
    const id = idOf(module, name);
    assert.ok(id >= module.firstId);
    const call = patched(externs, "kfunc", name);
    assert.equal([call.src, call.offset, call.imm], [PseudoSource.KFUNC_CALL, 1, id]);
    const load = patched(externs, "ksym", name);
    assert.is(load.src, PseudoSource.BTF_ID);
    assert.equal(halves(load), [id, 100]);
  }
  externs.close();
  assert.is(kernel.opened.get("second")?.closed, 1);
});

test("each module has one slot, the first one is kept free", () => {
  const kernel = kernelWith([], {
    one: [acquire, { name: "count", type: "int" }],
    two: [release],
  });
  const object = objectWith(acquire, release, { name: "count", type: "int" });
  const externs = new Externs(object, kernel);
  assert.equal([...externs.fdArray!], [0, 100, 101]);
  assert.is(patched(externs, "kfunc", "acquire").offset, 1);
  assert.is(patched(externs, "kfunc", "release").offset, 2);
  assert.is(halves(patched(externs, "ksym", "count"))[1], 100);
});

test("variables are loaded by id", () => {
  const kernel = kernelWith([{ name: "jiffies", type: "u64" }], {
    one: [{ name: "own", type: "int" }],
  });
  const object = objectWith({ name: "jiffies", type: "u64" }, { name: "own", type: "const int" });
  const externs = new Externs(object, kernel);
  const load = patched(externs, "ksym", "jiffies");
  assert.is(load.src, PseudoSource.BTF_ID);
  assert.equal(halves(load), [idOf(kernel.vmlinux(), "jiffies"), 0]);
  assert.is(halves(patched(externs, "ksym", "own"))[1], 100);
});

test("a name is sought once, whoever asks", () => {
  const kernel = kernelWith([], { one: [], two: [] });
  const flavours = ["missing___a", "missing___b", "missing"].map((name) => ({
    name,
    prototype: ["int"] as const,
    weak: true,
  }));
  new Externs(objectWith(...flavours), kernel);
  assert.equal(kernel.read, ["one", "two"]);
});

test("functions have flavours, variables have not", () => {
  const kernel = kernelWith([acquire, { name: "jiffies", type: "u64" }]);
  const functions = objectWith(
    { ...acquire, name: "acquire___old", prototype: ["task *"], weak: true },
    { ...acquire, name: "acquire___new", weak: true },
  );
  const externs = new Externs(functions, kernel);
  assert.is(patched(externs, "kfunc", "acquire___new").imm, idOf(kernel.vmlinux(), "acquire"));
  assert.match(
    patched(externs, "kfunc", "acquire___old").why!,
    /acquire of vmlinux is of another type/,
  );
  const variable = { name: "jiffies___new", type: "u64" } as const;
  refuses(objectWith(variable), kernel, /no variable jiffies___new/);
});

test("an absent weak symbol has the address 0, and its call is poisoned", () => {
  const kernel = kernelWith([], {}, {});
  const object = objectWith(
    { name: "b_function", prototype: ["int"], weak: true },
    { name: "c_variable", type: "int", weak: true },
    { name: "a_address", weak: true },
  );
  const externs = new Externs(object, kernel);
  for (const name of ["a_address", "b_function", "c_variable"]) {
    const load = patched(externs, "ksym", name);
    assert.equal([load.opcode, load.dst, load.src, load.imm64], [0x18, 3, 0, 0n]);
  }
  for (const little of [true, false]) {
    const { why, ...call } = patched(externs, "kfunc", "b_function", little);
    // Second of the symbols by name.
    assert.equal(call, { opcode: 0x85, dst: 0, src: 0, offset: 0, imm: 2_002_000_001 });
    assert.is(
      why,
      "this kernel has no function b_function, and the call of b_function is not guarded by bpf_ksym_exists(b_function)",
    );
  }
});

test("the poison counts configuration values before symbols", () => {
  const object = objectWith({ name: "missing", prototype: ["int"], weak: true });
  const kconfig = parseObject(readFixture("kconfig.el.o")).kconfig;
  const externs = new Externs({ ...object, kconfig }, kernelWith([]));
  assert.is(patched(externs, "kfunc", "missing").imm, 2_002_000_000 + kconfig.length);
});

test("an absent strong symbol is refused by its name", () => {
  const kernel = kernelWith([acquire], { one: [release] });
  refuses(
    objectWith({ ...acquire, name: "gone" }),
    kernel,
    /no function gone, neither in vmlinux nor/,
  );
  refuses(
    objectWith({ name: "gone", type: "int" }),
    kernel,
    /no variable gone, neither in vmlinux nor/,
  );
  refuses(objectWith({ name: "gone" }), kernel, /no symbol gone in \/proc\/kallsyms/);
  // What vmlinux has is no help when the object asks for another kind.
  refuses(objectWith({ name: "acquire", type: "int" }), kernel, /no variable acquire/);
  // A module that was opened for the first is closed for the second.
  refuses(objectWith(release, { ...acquire, name: "gone" }), kernel, /no function gone/);
  assert.is(kernel.opened.size, 1);
});

test("prototypes go together as CO-RE types do", () => {
  const kernel = kernelWith([{ name: "f", prototype: ["int", "u64", "task *"] }]);
  const compatible = { name: "f", prototype: ["u64", "int", "socket *"] } as const;
  assert.is(new Externs(objectWith(compatible), kernel).fdArray, undefined);
  for (const prototype of [
    ["int", "u64"],
    ["void", "u64", "task *"],
    ["int", "task *", "task *"],
  ] as const) {
    const message =
      /function f of vmlinux is of another type than the object declares: .*int .*, not /;
    refuses(objectWith({ name: "f", prototype }), kernel, message);
    const weak = new Externs(objectWith({ name: "f", prototype, weak: true }), kernel);
    assert.match(patched(weak, "kfunc", "f").why!, /is of another type/);
    assert.is(patched(weak, "ksym", "f").imm64, 0n);
  }
});

test("a variable of another type is refused even where it is weak", () => {
  const kernel = kernelWith([{ name: "jiffies", type: "u64" }], {
    one: [{ name: "own", type: "task *" }],
  });
  for (const weak of [false, true]) {
    refuses(
      objectWith({ name: "jiffies", type: "task *", weak }),
      kernel,
      /variable jiffies of vmlinux is of another type than the object declares: unsigned long long, not struct task \*/,
    );
    refuses(
      objectWith({ name: "own", type: "int", weak }),
      kernel,
      /variable own of one is of another type/,
    );
  }
});

test("addresses are sought for all names at once, and only for those without type", () => {
  const addresses = new Map([
    ["one", 0xffff_ffff_8123_4567n],
    ["two", 0n],
  ]);
  const kernel = kernelWith([acquire], {}, { addresses });
  const externs = new Externs(objectWith({ name: "one" }, acquire, { name: "two" }), kernel);
  assert.equal(kernel.sought, [["one", "two"]]);
  assert.is(patched(externs, "ksym", "one").imm64, 0xffff_ffff_8123_4567n);
  assert.is(patched(externs, "ksym", "one").src, 0);
  assert.is(patched(externs, "ksym", "two").imm64, 0n);
  const typed = kernelWith([acquire]);
  new Externs(objectWith(acquire), typed);
  assert.equal(typed.sought, []);
});

test("an ambiguous name is refused, weak or not", () => {
  const ambiguous = new Map([["twice", [0x1000n, 0x2000n] as const]]);
  const kernel = kernelWith([], {}, { addresses: new Map([["twice", 0x1000n]]), ambiguous });
  for (const weak of [false, true]) {
    refuses(
      objectWith({ name: "twice", weak }),
      kernel,
      /several symbols twice, at 0x1000 and 0x2000/,
    );
  }
});

test("hidden addresses are said to be hidden; weak symbols read as absent", () => {
  const kernel = kernelWith([], {}, { addresses: new Map([["one", 0n]]), hidden: true });
  refuses(
    objectWith({ name: "one" }),
    kernel,
    /hides the address of one .* CAP_SYSLOG .*kptr_restrict/,
  );
  const externs = new Externs(objectWith({ name: "one", weak: true }), kernel);
  assert.is(patched(externs, "ksym", "one").imm64, 0n);
});

test("a damaged module does not spoil what others have, and is named where nothing is found", () => {
  const damaged = new BtfError("reading BTF: damaged");
  const kernel = kernelWith([], { bad: damaged, good: [acquire] });
  assert.equal([...new Externs(objectWith(acquire), kernel).fdArray!], [0, 100]);
  assert.throws(
    () => new Externs(objectWith(release), kernel),
    (error: unknown) => error instanceof BpfError && error.cause === damaged,
  );
});

test("a module that went away while it was searched is none", () => {
  const gone = new BpfError("gone", { code: "ENOENT" });
  const kernel = kernelWith([], { gone });
  refuses(objectWith(acquire), kernel, /no function acquire/);
  const unloaded = { ...kernelWith([], { one: [acquire] }), openModule: () => undefined };
  assert.throws(
    () => new Externs(objectWith(acquire), unloaded),
    refusal(/cannot be opened \(ENOENT\)/),
  );
});

/** A kernel whose only module cannot be opened. */
function kernelRefusing(errno: number): { kernel: KernelDouble; error: SyscallError } {
  const command = "BTF_GET_FD_BY_ID";
  const error = new SyscallError("open BTF", { errno, syscall: "bpf", command });
  const kernel: KernelDouble = {
    ...kernelWith([], { one: [acquire] }),
    openModule: () => {
      throw error;
    },
  };
  return { kernel, error };
}

test("without the privilege to open modules, weak symbols of theirs are absent", () => {
  const { kernel, error } = kernelRefusing(1);
  assert.throws(
    () => new Externs(objectWith(acquire), kernel),
    (thrown: unknown) =>
      refusal(/is in module one, .*EPERM.*CAP_SYS_ADMIN/)(thrown) &&
      (thrown as Error).cause === error,
  );
  const externs = new Externs(objectWith({ ...acquire, weak: true }), kernel);
  assert.is(patched(externs, "kfunc", "acquire").imm, 2_002_000_000);
});

test("running out of descriptors is no absence", () => {
  const { kernel } = kernelRefusing(24);
  for (const weak of [false, true]) {
    const object = objectWith({ ...acquire, weak });
    assert.throws(() => new Externs(object, kernel), refusal(/cannot be opened \(EMFILE\)$/));
  }
});

test("a kernel without types says so itself", () => {
  const kernel = {
    ...kernelWith([]),
    vmlinux: () => {
      throw new UnsupportedError("no types", { feature: "kernel BTF", since: "5.4" });
    },
  };
  assert.throws(
    () => new Externs(objectWith(acquire), kernel),
    (error: unknown) => error instanceof UnsupportedError,
  );
  // Addresses need none.
  assert.is(
    patched(new Externs(objectWith({ name: "one", weak: true }), kernel), "ksym", "one").imm64,
    0n,
  );
});

test("what was not declared as the kernel's is not sought there", () => {
  const kernel = kernelWith([{ name: "defined_nowhere", prototype: ["int", "int"] }]);
  for (const object of ["extern-undefined.el.o", "extern-undefined.eb.o"]) {
    const spec = parseObject(readFixture(object));
    assert.throws(
      () => new Externs(spec, kernel),
      refusal(/defined_nowhere is declared and defined nowhere/),
    );
  }
  const untold: Pick<ObjectSpec, "btf" | "kconfig" | "ksyms"> = {
    btf: undefined,
    kconfig: [],
    ksyms: [{ name: "untold", weak: true, kind: "untyped", type: 0 }],
  };
  assert.throws(() => new Externs(untold, kernel), refusal(/what untold is.*compile with -g/));
});

test("calling a variable is refused, and so is a name that the object does not list", () => {
  const kernel = kernelWith(
    [{ name: "jiffies", type: "u64" }],
    {},
    { addresses: new Map([["one", 1n]]) },
  );
  const externs = new Externs(
    objectWith({ name: "jiffies", type: "u64" }, { name: "one" }),
    kernel,
  );
  for (const name of ["jiffies", "one"]) {
    assert.throws(
      () => patched(externs, "kfunc", name),
      refusal(new RegExp(`program program: it calls ${name}`)),
    );
  }
  assert.throws(() => patched(externs, "ksym", "constructor"), refusal(/refers to constructor/));
});

test("an object without symbols asks the kernel nothing", () => {
  const kernel = {
    ...kernelWith([]),
    vmlinux: () => {
      throw new Error("asked");
    },
  };
  const externs = new Externs({ btf: undefined, kconfig: [], ksyms: [] }, kernel);
  assert.is(externs.fdArray, undefined);
  assert.is(SLOT * externs.descriptors.length, 0);
  externs.close();
});

test.run();
