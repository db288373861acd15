import { suite } from "uvu";
import * as assert from "uvu/assert";
import { BpfError } from "../../src/error.ts";
import {
  type KconfigOverrides,
  type KconfigSources,
  kconfigBytes,
} from "../../src/externs/kconfig.ts";
import { type ObjectSpec, parseObject } from "../../src/spec/index.ts";
import { readFixture } from "../helper/fixtures.ts";

const test = suite("externs/kconfig");

const CONFIG = `CONFIG_BPF_SYSCALL=y
CONFIG_NET=m
CONFIG_BPF=y
CONFIG_HZ=250
CONFIG_NR_CPUS=8192
CONFIG_PHYSICAL_START=0x1000000
CONFIG_DEFAULT_HOSTNAME="(none)"
# CONFIG_NO_SUCH_OPTION is not set
`;

/** A kernel of its own, that counts how often its configuration is read. */
function kernel(text: string = CONFIG): KconfigSources & { reads: string[][] } {
  const reads: string[][] = [];
  return {
    reads,
    config(names) {
      reads.push([...names]);
      return { source: "/proc/config.gz", text };
    },
    fact: (name) =>
      ({ LINUX_KERNEL_VERSION: 0x060c75, LINUX_HAS_BPF_COOKIE: 1, LINUX_HAS_SYSCALL_WRAPPER: 0 })[
        name
      ],
  };
}

/** Values by name, as bytes, lowest byte first. */
function values(
  spec: ObjectSpec,
  overrides?: KconfigOverrides,
  sources: KconfigSources = kernel(),
): Record<string, number[]> {
  const bytes = kconfigBytes(spec, overrides, sources);
  return Object.fromEntries(
    spec.kconfig.map(({ name, offset, size }) => {
      const value = [...bytes.subarray(offset, offset + size)];
      return [name, spec.byteOrder === "big" && size <= 8 ? value.reverse() : value];
    }),
  );
}

function refusal(message: RegExp): (error: unknown) => boolean {
  return (error) =>
    error instanceof BpfError && error.code === "ERR_EXTERN" && message.test(error.message);
}

const EXPECTED = {
  CONFIG_PHYSICAL_START: [0, 0, 0, 1, 0, 0, 0, 0],
  CONFIG_HZ: [250, 0, 0, 0],
  CONFIG_NET: [2, 0, 0, 0],
  CONFIG_NO_SUCH_OPTION: [0, 0, 0, 0],
  LINUX_KERNEL_VERSION: [0x75, 0x0c, 0x06, 0],
  CONFIG_NR_CPUS: [0, 0x20],
  CONFIG_BPF: [0x79],
  CONFIG_BPF_SYSCALL: [1],
  LINUX_HAS_BPF_COOKIE: [1],
  LINUX_HAS_SYSCALL_WRAPPER: [0],
  CONFIG_DEFAULT_HOSTNAME: [..."(none)"].map((c) => c.charCodeAt(0)).concat(0, 0, 0),
};

for (const object of ["kconfig.el.o", "kconfig.eb.o"]) {
  test(`${object}: every value is where programs read it`, () => {
    assert.equal(values(parseObject(readFixture(object))), EXPECTED);
  });
}

test("the spec is not changed", () => {
  const spec = parseObject(readFixture("kconfig.el.o"));
  kconfigBytes(spec, undefined, kernel());
  assert.ok(spec.maps[".kconfig"]?.data?.every((byte) => byte === 0));
});

test("what the caller gives comes before what the kernel says", () => {
  const spec = parseObject(readFixture("kconfig.el.o"));
  const expected = {
    ...EXPECTED,
    CONFIG_HZ: [100, 0, 0, 0],
    CONFIG_NET: [1, 0, 0, 0],
    CONFIG_BPF_SYSCALL: [0],
    CONFIG_DEFAULT_HOSTNAME: [..."a longer"].map((c) => c.charCodeAt(0)).concat(0),
  };
  const text = `# a comment

    CONFIG_HZ=100
CONFIG_HZ=300
CONFIG_NET=y
CONFIG_BPF_SYSCALL=n
CONFIG_DEFAULT_HOSTNAME="a longer name"
CONFIG_NOT_ASKED_FOR=y
`;
  assert.equal(values(spec, text), expected);
  const byName = {
    CONFIG_HZ: 100,
    CONFIG_NET: "y",
    CONFIG_BPF_SYSCALL: false,
    CONFIG_DEFAULT_HOSTNAME: "a longer name",
    CONFIG_NOT_ASKED_FOR: true,
  };
  assert.equal(values(spec, byName), expected);
});

test("the kernel's configuration is read for what is left, once, and not at all for nothing", () => {
  const spec = parseObject(readFixture("kconfig.el.o"));
  const first = kernel();
  values(spec, { CONFIG_HZ: 100 }, first);
  assert.is(first.reads.length, 1);
  assert.not(first.reads[0]?.includes("CONFIG_HZ"));
  assert.ok(first.reads[0]?.includes("CONFIG_NET"));
  const second = kernel();
  values(spec, `${CONFIG}CONFIG_NO_SUCH_OPTION=7\n`, second);
  assert.equal(second.reads, []);
  // An unknown configuration is not taken for an empty one, not even for weak externs.
  const without: KconfigSources = {
    ...kernel(),
    config(names) {
      throw new BpfError(`no configuration for ${names.length}`, { code: "ERR_EXTERN" });
    },
  };
  assert.throws(() => values(spec, CONFIG, without), refusal(/no configuration for 1/));
});

test("a strong extern that is not set is refused, with the places that were searched", () => {
  const spec = parseObject(readFixture("kconfig-strong.el.o"));
  assert.throws(
    () => kconfigBytes(spec, undefined, kernel()),
    refusal(
      /asks for CONFIG_NO_SUCH_OPTION, which is not set in \/proc\/config\.gz; declare it __weak/,
    ),
  );
  assert.throws(
    () => kconfigBytes(spec, { CONFIG_HZ: 100 }, kernel()),
    refusal(/is not set in option kconfig or \/proc\/config\.gz/),
  );
  assert.equal(
    [...kconfigBytes(spec, { CONFIG_NO_SUCH_OPTION: -1 }, kernel())],
    [255, 255, 255, 255],
  );
});

test("values that do not fit are refused by name and place", () => {
  const spec = parseObject(readFixture("kconfig.el.o"));
  assert.throws(
    () => kconfigBytes(spec, { CONFIG_NR_CPUS: 65_536 }, kernel()),
    refusal(
      /CONFIG_NR_CPUS is 65536 in option kconfig, which does not fit 16 bits; the object declares it as const volatile __u16/,
    ),
  );
  assert.throws(
    () => kconfigBytes(spec, undefined, kernel(CONFIG.replace("250", '"250"'))),
    refusal(/CONFIG_HZ is "250" in \/proc\/config\.gz, which needs an array of char/),
  );
  assert.throws(
    () => kconfigBytes(spec, { CONFIG_BPF_SYSCALL: "m" }, kernel()),
    refusal(/which needs a tristate/),
  );
});

test("only options of the kernel can be given", () => {
  const spec = parseObject(readFixture("kconfig.el.o"));
  const misuse = (overrides: unknown, message: RegExp): void =>
    assert.throws(
      () => kconfigBytes(spec, overrides as KconfigOverrides, kernel()),
      (error: unknown) => error instanceof TypeError && message.test(error.message),
    );
  misuse({ HZ: 100 }, /HZ is no option of the kernel/);
  misuse({ LINUX_KERNEL_VERSION: 1 }, /LINUX_KERNEL_VERSION is no option of the kernel/);
  misuse({ CONFIG_HZ: null }, /CONFIG_HZ is null/);
  misuse({ CONFIG_NOT_ASKED_FOR: 0.5 }, /CONFIG_NOT_ASKED_FOR is 0.5/);
  misuse("CONFIG_HZ=100\nHZ=1000\n", /line 2 is no option of the kernel, CONFIG_…: HZ=1000/);
  misuse(null, /option kconfig/);
  misuse(7, /option kconfig/);
});

test("a name that nobody knows is refused; a weak LINUX_ one is zero, for kernels to come", () => {
  const spec = parseObject(readFixture("kconfig.el.o"));
  const renamed = (name: string, weak: boolean): ObjectSpec => ({
    ...spec,
    kconfig: [
      { ...spec.kconfig.find((extern) => extern.name === "CONFIG_HZ")!, name, weak, offset: 0 },
    ],
  });
  const unknown = refusal(/configuration value \w+, which is not known/);
  assert.throws(
    () => kconfigBytes(renamed("LINUX_HAS_FUTURE", false), undefined, kernel()),
    unknown,
  );
  assert.throws(() => kconfigBytes(renamed("HAS_FUTURE", true), undefined, kernel()), unknown);
  assert.throws(() => kconfigBytes(renamed("LINUX_constructor", false), undefined), unknown);
  assert.equal(
    [...kconfigBytes(renamed("LINUX_HAS_FUTURE", true), undefined, kernel())],
    [0, 0, 0, 0],
  );
});

test("a version needs a type with room for it", () => {
  const spec = parseObject(readFixture("kconfig.el.o"));
  const boolean = spec.kconfig.find(({ name }) => name === "LINUX_HAS_BPF_COOKIE")!;
  const kconfig = [{ ...boolean, name: "LINUX_KERNEL_VERSION" }];
  assert.throws(
    () => kconfigBytes({ ...spec, kconfig }, undefined, kernel()),
    refusal(
      /LINUX_KERNEL_VERSION is 396405, which does not fit the type that the object declares, const _Bool/,
    ),
  );
});

test.run();
