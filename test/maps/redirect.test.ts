/**
 * Maps that say where packets go: interfaces, CPUs, sockets.
 */

import { createServer, type Server } from "node:net";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { CpuMap, createMap, DeviceMap, SocketMap } from "../../maps/index.ts";
import { alu, exit } from "../../src/asm/index.ts";
import type { BpfError } from "../../src/error.ts";
import { programGetFdById } from "../../src/sys/bpf.ts";
import { possibleCpus } from "../../src/sys/kernel.ts";
import { AttachType, MapType, ProgramType } from "../../src/uapi.ts";
import { kernelTest } from "../helper/kernel.ts";
import { smallProgram } from "./small-program.ts";
import { mapSpec, u32 } from "./specs.ts";
import { testTypes } from "./types-builder.ts";

const test = suite("maps/redirect");
const types = testTypes();
/** The loopback interface. */
const LO = 1;
/** Programs for targets pass all packets. */
const PASS = [alu("r0", "=", 2), exit()];

function codeOf(action: () => unknown): string | undefined {
  try {
    action();
    return undefined;
  } catch (error) {
    return (error as BpfError).code ?? (error as Error).name;
  }
}

kernelTest(test, "interfaces by index and by number", () => {
  for (const type of [MapType.DEVMAP, MapType.DEVMAP_HASH]) {
    using map = createMap(
      mapSpec({ name: "ports", type, valueSize: 4, maxEntries: 4 }),
    ) as DeviceMap;
    assert.instance(map, DeviceMap);
    assert.is(map.get(2), undefined);
    map.set(2, { interfaceIndex: LO });
    assert.equal(map.get(2), { interfaceIndex: LO });
    assert.equal(map.raw.get(2), u32(LO));
    assert.ok(map.has(2));
    assert.ok([...map.keys()].includes(2));
    assert.ok(map.delete(2));
    assert.not.ok(map.has(2));
    assert.is(
      codeOf(() => map.set(1, { interfaceIndex: 0x7fff_fff0 })),
      "EINVAL",
      "there is no such interface",
    );
  }
});

kernelTest(test, "a program for an interface goes in by handle and comes out by id", () => {
  using map = createMap(
    mapSpec({ type: MapType.DEVMAP, valueSize: 8, maxEntries: 4 }),
  ) as DeviceMap;
  using program = smallProgram(ProgramType.XDP, PASS, [], AttachType.XDP_DEVMAP);
  map.set(1, { interfaceIndex: LO, program });
  const { programId, ...rest } = map.get(1)!;
  assert.equal(rest, { interfaceIndex: LO });
  using again = programGetFdById(programId!);
  assert.ok(again.number > 2);
  map.set(1, { interfaceIndex: LO });
  assert.equal(map.get(1), { interfaceIndex: LO });
  assert.throws(
    () => map.set(1, { interfaceIndex: LO, programId: programId! }),
    /programId: .*handle/,
  );
});

kernelTest(test, "queues of CPUs", () => {
  using map = createMap(mapSpec({ type: MapType.CPUMAP, valueSize: 8, maxEntries: 0 })) as CpuMap;
  assert.instance(map, CpuMap);
  assert.is(map.maxEntries, possibleCpus());
  assert.is(map.get(0), undefined);
  map.set(0, { queueSize: 64 });
  assert.equal(map.get(0), { queueSize: 64 });
  using program = smallProgram(ProgramType.XDP, PASS, [], AttachType.XDP_CPUMAP);
  map.set(0, { queueSize: 128, program });
  assert.is(map.get(0)?.queueSize, 128);
  assert.ok(map.get(0)!.programId! > 0);
  assert.ok(map.delete(0));
  assert.not.ok(map.has(0));
  assert.is(
    codeOf(() => map.set(0, { queueSize: 1_000_000 })),
    "EOVERFLOW",
  );
});

kernelTest(test, "wrong values are named, and nothing is stored", () => {
  using map = createMap(
    mapSpec({ name: "ports", type: MapType.DEVMAP, valueSize: 4 }),
  ) as DeviceMap;
  const wrong: [value: unknown, message: RegExp][] = [
    [{ interfaceIndex: -1 }, /interfaceIndex: -1 is not an unsigned/],
    [{ interfaceIndex: "lo" }, /interfaceIndex is "lo", not a number/],
    [{ queueSize: 1 }, /queueSize: there is no such member/],
    [{ interfaceIndex: LO, program: 3 }, /program: values of map ports have 4 bytes/],
    [undefined, /interfaceIndex is nothing, not a number/],
  ];
  for (const [value, message] of wrong) assert.throws(() => map.set(0, value as never), message);
  using wide = createMap(mapSpec({ type: MapType.DEVMAP, valueSize: 8 })) as DeviceMap;
  assert.throws(
    () => wide.set(0, { interfaceIndex: LO, program: -4 }),
    /program: -4 is no descriptor/,
  );
  assert.is(map.get(0), undefined);
  assert.is(wide.get(0), undefined);
});

/** Calls with a listening socket's descriptor. */
async function withServer(use: (fd: number) => void): Promise<void> {
  const server: Server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  try {
    use((server as unknown as { _handle: { fd: number } })._handle.fd);
  } finally {
    server.close();
  }
}

const sockets = { needs: "socket maps", config: "CONFIG_BPF_STREAM_PARSER" };

kernelTest(test, "sockets by index and by key, which come out as cookies", sockets, () =>
  withServer((fd) => {
    const members = { name: "sockets", valueSize: 8, maxEntries: 4 };
    using array = createMap(mapSpec({ ...members, type: MapType.SOCKMAP })) as SocketMap;
    assert.instance(array, SocketMap);
    using hash = createMap(
      mapSpec({
        ...members,
        type: MapType.SOCKHASH,
        keySize: 8,
        btf: types.btf,
        keyType: types.flow,
      }),
    ) as SocketMap<{ source: number; target: number }>;
    const flow = { source: 1, target: 2 };
    assert.is(array.cookieOf(1), undefined);
    array.set(1, fd);
    hash.set(flow, { fd }, { flags: "noexist" });
    const cookie = array.cookieOf(1)!;
    assert.ok(cookie > 0n);
    assert.is(hash.cookieOf(flow), cookie);
    assert.equal([...hash.keys()], [flow]);
    assert.equal([...array.keys()], [0, 1, 2, 3]);
    assert.is(
      codeOf(() => hash.set(flow, fd, { flags: "noexist" })),
      "EEXIST",
    );
    assert.ok(array.delete(1));
    assert.not.ok(array.delete(1));
    assert.ok(hash.delete(flow));
    assert.not.ok(hash.delete(flow));
    assert.is(hash.cookieOf(flow), undefined);
    assert.throws(() => array.set(0, "socket" as never), /put a socket into map sockets: string/);
    using narrow = createMap(
      mapSpec({ name: "narrow", type: MapType.SOCKMAP, valueSize: 4 }),
    ) as SocketMap;
    narrow.set(0, fd);
    assert.throws(() => narrow.cookieOf(0), /narrow: its values have 4 bytes; give it 8/);
  }),
);

kernelTest(
  test,
  "sockets of another kind are refused",
  { needs: "AF_XDP sockets", config: "CONFIG_XDP_SOCKETS" },
  () =>
    withServer((fd) => {
      using map = createMap(mapSpec({ type: MapType.XSKMAP, valueSize: 4 })) as SocketMap;
      assert.ok(["EOPNOTSUPP", "ENOPROTOOPT", "EINVAL"].includes(codeOf(() => map.set(0, fd))!));
      assert.is(
        codeOf(() => map.cookieOf(0)),
        "EOPNOTSUPP",
      );
    }),
);

kernelTest(test, "a socket that shares no port is refused by an array of those that do", () =>
  withServer((fd) => {
    const type = MapType.REUSEPORT_SOCKARRAY;
    using map = createMap(mapSpec({ type, valueSize: 8 })) as SocketMap;
    assert.is(
      codeOf(() => map.set(0, fd)),
      "EINVAL",
    );
    assert.is(map.cookieOf(0), undefined);
    assert.not.ok(map.delete(0));
  }),
);

test.run();
