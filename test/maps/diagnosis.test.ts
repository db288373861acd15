import { suite } from "uvu";
import * as assert from "uvu/assert";
import { createMap } from "../../maps/create.ts";
import { defineMap } from "../../maps/definition.ts";
import { type Circumstances, explainCreation } from "../../maps/diagnosis.ts";
import { SyscallError, UnsupportedError } from "../../src/error.ts";
import type { MapSpec } from "../../src/spec/types.ts";
import { MapFlags, MapType } from "../../src/uapi.ts";
import { kernelTest } from "../helper/kernel.ts";
import { mapSpec } from "./specs.ts";

const test = suite("maps/diagnosis");
const ALL = 0xff_ffff_ffffn;
const running: Circumstances = {
  cpus: 2,
  pageSize: 4096,
  major: 6,
  minor: 18,
  capabilities: ALL,
  isFirstUserNamespace: true,
};
const EPERM = 1;
const E2BIG = 7;
const ENOMEM = 12;
const EINVAL = 22;
const ENOTSUPP = 524;

function explain(
  errno: number,
  members: Partial<MapSpec>,
  circumstances: Partial<Circumstances> = {},
): SyscallError | UnsupportedError {
  const error = new SyscallError("refused", { errno, syscall: "bpf", command: "MAP_CREATE" });
  const definition = defineMap(mapSpec(members), running);
  return explainCreation(error, definition, { ...running, ...circumstances });
}

test("the map, its shape and the kernel's error are kept", () => {
  const error = explain(EINVAL, { name: "counts" });
  assert.instance(error, SyscallError);
  assert.is(error.code, "EINVAL");
  assert.match(error.message, /create map counts \(hash, key 4, value 8, 64 entries\)/);
  assert.is((error.cause as Error).message, "refused: EINVAL, invalid argument");
});

test("a map without room is told from one that must have none", () => {
  assert.match(explain(EINVAL, { maxEntries: 0 }).message, /max_entries is 0; .*maxEntries/);
  const storage = { type: MapType.TASK_STORAGE, flags: MapFlags.NO_PREALLOC };
  assert.match(explain(EINVAL, { ...storage, maxEntries: 9 }).message, /must be 0/);
  assert.not.match(explain(EINVAL, { ...storage, maxEntries: 0 }).message, /max_entries/);
});

test("wrong preallocation, keys and values are named", () => {
  const lpm = explain(EINVAL, { type: MapType.LPM_TRIE, keySize: 8 });
  assert.match(lpm.message, /lpm_trie map needs map_flags BPF_F_NO_PREALLOC/);
  const array = explain(EINVAL, { type: MapType.ARRAY, flags: MapFlags.NO_PREALLOC });
  assert.match(array.message, /drop BPF_F_NO_PREALLOC/);
  assert.match(explain(EINVAL, { type: MapType.ARRAY, keySize: 8 }).message, /4 bytes, not 8/);
  assert.match(explain(EINVAL, { type: MapType.QUEUE }).message, /has no key; key size is 4/);
  const outer = explain(EINVAL, { type: MapType.HASH_OF_MAPS });
  assert.match(outer.message, /value of a hash_of_maps map is 4 bytes, not 8/);
  const wrong: [members: Partial<MapSpec>, message: RegExp][] = [
    [{ type: MapType.CPUMAP, keySize: 8 }, /key of a cpumap map is 4 bytes, not 8/],
    [{ type: MapType.LPM_TRIE, keySize: 4, flags: MapFlags.NO_PREALLOC }, /1 to 256 bytes, not 4/],
    [{ type: MapType.STACK_TRACE, valueSize: 12 }, /8 bytes times the depth, not 12/],
    [{ type: MapType.ARENA }, /arena map needs map_flags BPF_F_MMAPABLE/],
    [{ type: MapType.RHASH }, /rhash map needs map_flags BPF_F_NO_PREALLOC/],
    [{ type: MapType.INSN_ARRAY }, /value of a insn_array map is 16 bytes, not 8/],
  ];
  for (const [members, message] of wrong) {
    assert.match(explain(EINVAL, members, { major: 8 }).message, message);
  }
  assert.match(explain(EINVAL, { keySize: 0 }).message, /key size is 0/);
  assert.match(explain(EINVAL, { valueSize: 0 }).message, /value size is 0/);
});

const KEYLESS = { keySize: 0 };
const NO_ENTRIES = { maxEntries: 0 };
const { HASH, ARRAY } = MapType;
/** What every kernel since 5.10 refuses with EINVAL. */
const REFUSED: readonly [members: Partial<MapSpec>, message: RegExp][] = [
  [{ type: MapType.UNSPEC }, /there is no map type 0; set type of its spec/],
  [{ type: 1000 }, /there is no map type 1000/],
  [{ type: HASH, flags: MapFlags.MMAPABLE }, /only array and arena.*drop BPF_F_MMAPABLE of a hash/],
  [{ type: MapType.PERCPU_ARRAY, flags: MapFlags.MMAPABLE }, /drop BPF_F_MMAPABLE/],
  [{ type: HASH, flags: MapFlags.NO_COMMON_LRU }, /BPF_F_NO_COMMON_LRU is for LRU hashes only/],
  [{ type: ARRAY, flags: MapFlags.NO_COMMON_LRU }, /BPF_F_NO_COMMON_LRU is for LRU hashes only/],
  [{ type: HASH, flags: MapFlags.RDONLY | MapFlags.WRONLY }, /BPF_F_RDONLY and BPF_F_WRONLY excl/],
  [
    { type: HASH, flags: MapFlags.RDONLY_PROG | MapFlags.WRONLY_PROG },
    /BPF_F_RDONLY_PROG and BPF_F_WRONLY_PROG exclude/,
  ],
  [{ type: HASH, flags: 0x8000_0000 }, /there are no flags 0x80000000 \(map_flags\)/],
  [{ type: MapType.DEVMAP, valueSize: 12 }, /value of a devmap map is 4 or 8 bytes, not 12/],
  [{ type: MapType.DEVMAP_HASH, valueSize: 5 }, /value of a devmap_hash map is 4 or 8 bytes/],
  [{ type: MapType.CPUMAP, valueSize: 12 }, /value of a cpumap map is 4 or 8 bytes, not 12/],
  [{ type: MapType.REUSEPORT_SOCKARRAY, valueSize: 5 }, /reuseport_sockarray map is 4 or 8 bytes/],
  [{ type: MapType.PROG_ARRAY, valueSize: 8 }, /value of a prog_array map is 4 bytes, not 8/],
  [{ type: MapType.STACK_TRACE, valueSize: 80_000 }, /room for 10000 frames; the kernel takes 127/],
  [{ type: MapType.QUEUE, ...KEYLESS, valueSize: 0 }, /value size is 0/],
  [
    { type: HASH, flags: MapFlags.NUMA_NODE, numaNode: 1000 },
    /perhaps there is no node 1000 \(numa_node\)/,
  ],
];

test("flags, types and sizes that no kernel takes are named", () => {
  for (const [members, message] of REFUSED) {
    assert.match(explain(EINVAL, members).message, message);
  }
  const cgroup = { type: MapType.CGROUP_STORAGE, ...NO_ENTRIES, keySize: 5 };
  assert.match(explain(EINVAL, cgroup).message, /key of a cgroup_storage map is 8 or 16 bytes/);
  assert.match(explain(EINVAL, { type: MapType.XSKMAP }).message, /xskmap map is 4 bytes, not 8/);
  const bloom = { type: MapType.BLOOM_FILTER, ...KEYLESS };
  const extra: [members: Partial<MapSpec>, message: RegExp][] = [
    [{ mapExtra: 3n }, /map_extra of a hash map is 0x3; it must be 0/],
    [{ ...bloom, mapExtra: 16n }, /0x10, not a number of hash functions up to 15/],
    [{ type: MapType.ARENA, flags: MapFlags.MMAPABLE, mapExtra: 5n }, /0x5; .*address of a page/],
  ];
  for (const [members, message] of extra) assert.match(explain(EINVAL, members).message, message);
  assert.not.match(explain(EINVAL, { ...bloom, mapExtra: 15n }).message, /map_extra/);
});

kernelTest(test, "and this kernel does not take them", () => {
  for (const [members, message] of REFUSED) {
    try {
      createMap(mapSpec({ name: "wrong", ...members })).close();
      assert.unreachable(`taken: ${String(message)}`);
    } catch (error) {
      assert.instance(error, SyscallError, String(error));
      assert.is((error as SyscallError).code, "EINVAL", String(error));
      assert.match((error as Error).message, message);
      assert.match((error as Error).message, /^create map wrong \(/);
    }
  }
  assert.throws(
    () => createMap(mapSpec({ type: MapType.PERCPU_HASH, valueSize: 40_000 })),
    /E2BIG/,
  );
});

test("in a user namespace it is no security module that refuses", () => {
  const inside = { isFirstUserNamespace: false };
  for (const capabilities of [ALL, 0n]) {
    const { message } = explain(EPERM, {}, { ...inside, capabilities });
    assert.match(
      message,
      /: this process is in a user namespace, .* BPF token .*\(Linux 6\.9\): EPERM/,
    );
  }
  assert.match(explain(EPERM, {}).message, /a security module or the lockdown mode refuses it/);
});

test("an old kernel is told from a wrong definition", () => {
  const old = { major: 5, minor: 4 };
  const ring = explain(EINVAL, { type: MapType.RINGBUF, maxEntries: 4096 }, old);
  assert.instance(ring, UnsupportedError);
  assert.equal([(ring as UnsupportedError).since, ring.code], ["5.8", "ERR_UNSUPPORTED"]);
  const flag = explain(EINVAL, { type: MapType.ARRAY, flags: MapFlags.MMAPABLE }, old);
  assert.is((flag as UnsupportedError).since, "5.5");
  assert.instance(explain(EINVAL, { type: MapType.RINGBUF, maxEntries: 4096 }), SyscallError);
  const error = explain(
    EINVAL,
    { type: MapType.RINGBUF, maxEntries: 4096 },
    { major: 5, minor: 8 },
  );
  assert.instance(error, SyscallError);
});

test("EPERM says which privilege is missing, or that memory is limited", () => {
  assert.match(explain(EPERM, {}, { capabilities: 0n }).message, /needs CAP_BPF/);
  const limited = explain(EPERM, {}, { major: 5, minor: 10 });
  assert.match(limited.message, /RLIMIT_MEMLOCK/);
  assert.not.match(explain(EPERM, {}).message, /MEMLOCK|CAP_BPF/);
  assert.match(explain(EPERM, {}).message, /security module|lockdown/);
});

test("sizes and memory", () => {
  assert.match(explain(E2BIG, {}).message, /larger than this map type allows/);
  const large = explain(E2BIG, { type: MapType.PERCPU_ARRAY, valueSize: 32_769 });
  assert.match(large.message, /value of a per-CPU map has 32768 bytes at most, not 32769/);
  assert.match(explain(ENOMEM, {}).message, /no memory/);
  assert.match(explain(ENOTSUPP, {}).message, /configuration/);
});

test.run();
