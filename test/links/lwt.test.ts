import { createSocket } from "node:dgram";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { parseAddress } from "../../links/address.ts";
import { type LwtOptions, lwt } from "../../links/lwt.ts";
import { leftRoutes } from "../../links/route-leftovers.ts";
import { alu, load } from "../../src/asm/index.ts";
import { hostLittleEndian, viewOf } from "../../src/bytes.ts";
import { UnsupportedError } from "../../src/error.ts";
import { NetlinkFlag, RouteSocket } from "../../src/sys/netlink.ts";
import { type NetlinkAttribute, writeAttributes } from "../../src/sys/netlink-message.ts";
import { TargetError } from "../../src/target-error.ts";
import { ProgramType } from "../../src/uapi.ts";
import { assertNothingLeft } from "../helper/hygiene.ts";
import { hostTest, type KernelNeeds, kernelTest } from "../helper/kernel.ts";
import { Counter } from "./counter.ts";
import { hasCode, isA } from "./errors.ts";
import { addAddress, eventually, indexOf, inOwnNetwork, makeVeth } from "./network.ts";

const test = suite("links/lwt");
const NEEDS: KernelNeeds = { needs: "programs of routes", config: "CONFIG_LWTUNNEL_BPF" };
const SEGMENTS: KernelNeeds = {
  needs: "programs of segment routing",
  config: ["CONFIG_IPV6_SEG6_BPF", "CONFIG_IPV6_SEG6_LWTUNNEL"],
};
/** `BPF_OK`, `BPF_DROP`. */
const pass = [alu("r0", "=", 0)];
const drop = [alu("r0", "=", 2)];

/** A program that counts packets, and keeps the length of the last. */
function counter(type: number, after = pass): Counter {
  return new Counter({ type, before: [load("r7", "u32", "r6", 0)], after });
}

/** Sends a datagram of 7 bytes, to the socket itself where the address is local, and says whether the kernel took it. */
async function send(address: string): Promise<boolean> {
  const socket = createSocket(address.includes(":") ? "udp6" : "udp4");
  try {
    await new Promise<void>((resolve) => socket.bind(0, resolve));
    return await new Promise((resolve) => {
      socket.send("7 bytes", socket.address().port, address, (error) => resolve(error === null));
    });
  } finally {
    socket.close();
  }
}

for (const [name, type, to, address, options, length] of [
  ["lwt_out", ProgramType.LWT_OUT, "10.9.0.0/24", "10.9.0.1", {}, 35],
  ["lwt_xmit", ProgramType.LWT_XMIT, "10.9.0.0/24", "10.9.0.1", { metric: 7 }, 35],
  ["lwt_in", ProgramType.LWT_IN, "10.9.0.0/24", "10.9.0.1", { type: "local" }, 35],
  ["lwt_out of IPv6", ProgramType.LWT_OUT, "fd09::/64", "fd09::1", { type: "local" }, 55],
] as const) {
  kernelTest(test, `${name}: sees packets of the route, and stops`, NEEDS, async () => {
    await assertNothingLeft(async () => {
      await inOwnNetwork(async () => {
        using packets = counter(type);
        const rest: LwtOptions = { interface: "lo", ...options };
        using link = lwt(packets.program, to, rest);
        assert.is(link.kind, "lwt");
        assert.is(link.description, `count to the route to ${to}`);
        assert.is(link.outlivesProcess, true);
        assert.throws(() => link.info(), isA(UnsupportedError));
        await send(address);
        assert.ok(await eventually(() => packets.count === 1));
        assert.is(packets.kept, BigInt(length));
        assert.throws(() => lwt(packets.program, to, rest), hasCode("EEXIST"));
        link.close();
        // The route has gone, too.
        assert.is(await send(address), false);
        assert.is(packets.count, 1);
        lwt(packets.program, to, rest).close();
      });
    });
  });
}

kernelTest(
  test,
  "a program drops, is replaced, and shares the route with another",
  NEEDS,
  async () => {
    await inOwnNetwork(async () => {
      using dropping = counter(ProgramType.LWT_OUT, drop);
      using passing = counter(ProgramType.LWT_OUT);
      using sending = counter(ProgramType.LWT_XMIT);
      using link = lwt(dropping.program, "10.9.0.0/24", { interface: "lo" });
      await send("10.9.0.1");
      assert.ok(await eventually(() => dropping.count === 1));
      link.update(passing.program);
      assert.is(link.description, "count to the route to 10.9.0.0/24");
      await send("10.9.0.1");
      assert.ok(await eventually(() => passing.count === 1));
      assert.is(dropping.count, 1);
      assert.throws(() => link.update(sending.program), /of type lwt_xmit, the hook takes lwt_out/);
      using both = lwt([passing.program, sending.program], "10.8.0.0/24", {
        interface: "lo",
        headroom: 16,
      });
      await send("10.8.0.1");
      assert.ok(await eventually(() => sending.count === 1));
      assert.is(passing.count, 2);
      assert.throws(() => both.update(passing.program), /it has several/);
    });
  },
);

kernelTest(test, "the same route of another metric is left alone", NEEDS, async () => {
  for (const to of ["10.9.0.0/24", "fd09::/64"]) {
    await inOwnNetwork(async () => {
      using packets = counter(ProgramType.LWT_OUT);
      using other = counter(ProgramType.LWT_OUT);
      const rest: LwtOptions = { interface: "lo", type: "local" };
      using before = lwt(other.program, to, { ...rest, metric: 10 });
      using own = lwt(packets.program, to, rest);
      own.close();
      await send(to.replace(/0?\/.*/, "1"));
      assert.ok(await eventually(() => other.count === 1), to);
      assert.is(before.closed, false);
    });
  }
});

/** Removes the route to a prefix of 24 or 64 bits that comes first, whoever made it. */
function removeFirst(to: string): void {
  const [address = "", bits] = to.split("/");
  const bytes = parseAddress(address)!;
  const header = Uint8Array.of(bytes.length === 4 ? 2 : 10, Number(bits), 0, 0, 254, 0, 255, 0);
  const message = new Uint8Array(12);
  message.set(header);
  using socket = new RouteSocket();
  socket.request(25, 0, [message, writeAttributes([[1, bytes]])], `remove ${to}`);
}

kernelTest(test, "a route that somebody removed takes no other with it", NEEDS, async () => {
  await assertNothingLeft(async () => {
    for (const to of ["10.9.0.0/24", "fd09::/64"]) {
      await inOwnNetwork(async () => {
        using packets = counter(ProgramType.LWT_OUT);
        using other = counter(ProgramType.LWT_OUT);
        const rest: LwtOptions = { interface: "lo", type: "local" };
        using own = lwt(packets.program, to, rest);
        own.update(packets.program);
        // Its program has the same name, and all but the metric is the same.
        using _other = lwt(other.program, to, { ...rest, metric: 2000 });
        removeFirst(to);
        own.close();
        await send(to.replace(/0?\/.*/, "1"));
        assert.ok(await eventually(() => other.count === 1), to);
        assert.is(packets.count, 0);
      });
    }
  });
});

kernelTest(test, "routes of a process that runs are not left", NEEDS, async () => {
  await inOwnNetwork(() => {
    using packets = counter(ProgramType.LWT_OUT);
    using _link = lwt(packets.program, "10.9.0.0/24", { interface: "lo" });
    assert.equal(leftRoutes(), []);
  });
});

/** Makes the kernel write a segment routing header into packets to a prefix, with one segment before the destination. */
function routeOverSegment(to: string, segment: string): void {
  const AF_INET6 = 10;
  // include/uapi/linux/seg6_iptunnel.h: the mode (inline), then struct ipv6_sr_hdr; the destination's place is left empty.
  const tunnel = new Uint8Array(4 + 8 + 2 * 16);
  tunnel.set([0, (2 * 16) / 8, 4, 1, 1, 0, 0, 0], 4);
  tunnel.set(parseAddress(segment)!, 4 + 8 + 16);
  const type = new Uint8Array(2);
  viewOf(type).setUint16(0, 5, hostLittleEndian);
  const encapsulation: NetlinkAttribute[] = [[1, tunnel]];
  const attributes = writeAttributes([
    [1, parseAddress(to)!],
    [4, indexOf("lo")],
    [21, type],
    [22, encapsulation],
  ]);
  // A local one: the kernel refuses others over the loopback interface.
  const header = Uint8Array.of(AF_INET6, 128, 0, 0, 254, 4, 0, 2, 0, 0, 0, 0);
  using socket = new RouteSocket();
  const flags = NetlinkFlag.CREATE | NetlinkFlag.EXCL;
  socket.request(24, flags, [header, attributes], `route ${to} over ${segment}`);
}

kernelTest(test, "lwt_seg6local: sees packets at its segment, and stops", SEGMENTS, async () => {
  await assertNothingLeft(async () => {
    await inOwnNetwork(async () => {
      using packets = counter(ProgramType.LWT_SEG6LOCAL, drop);
      using link = lwt(packets.program, "fd0b::1", { interface: "lo", type: "local" });
      routeOverSegment("fd0a::1", "fd0b::1");
      await send("fd0a::1");
      assert.ok(await eventually(() => packets.count === 1));
      // The header of IPv6, that of the segments, that of UDP, and 7 bytes.
      assert.is(packets.kept, 40n + 40n + 8n + 7n);
      link.close();
      await send("fd0a::1");
      assert.is(packets.count, 1);
      const four = () => lwt(packets.program, "10.9.0.0/24", { interface: "lo" });
      assert.throws(four, /segment routing is of IPv6/);
    });
  });
});

hostTest(
  test,
  "what is not there, and misuse",
  async () => {
    await inOwnNetwork(async () => {
      using sending = counter(ProgramType.LWT_XMIT);
      using other = new Counter({ type: ProgramType.SOCKET_FILTER });
      const attach = (to: string, options: object) => () => lwt(sending.program, to, options);
      assert.throws(
        attach("10.9.0.0/24", { interface: "l0" }),
        (error: unknown) => error instanceof TargetError && error.suggestions.includes("lo"),
      );
      assert.throws(attach("10.9.0.0/24", { via: "10.7.0.1" }), hasCode("ENETUNREACH"));
      makeVeth("veth0", "veth1");
      addAddress("veth0", [10, 7, 0, 2]);
      const elsewhere = { via: "10.7.0.1", table: 300, metric: 5 };
      for (let times = 0; times < 2; times++) {
        using link = lwt(sending.program, "10.9.0.0/24", elsewhere);
        assert.throws(attach("10.9.0.0/24", elsewhere), hasCode("EEXIST"));
        link.close();
      }
      assert.throws(attach("10.9.0.0/24", {}), /say where packets leave/);
      assert.throws(attach("10.9.0.0/99", { interface: "lo" }), /is no prefix/);
      assert.throws(attach("10.9.0.0/24", { via: "fd00::1" }), /no address of the kind/);
      assert.throws(attach("10.9.0.0/24", { interface: "lo", type: "x" }), isA(TypeError));
      assert.throws(attach("10.9.0.0/24", { interface: "lo", headroom: 257 }), isA(RangeError));
      assert.throws(attach("10.9.0.0/24", { interface: "lo", table: 0 }), isA(RangeError));
      using receiving = counter(ProgramType.LWT_IN);
      const roomy = { interface: "lo", headroom: 16 };
      assert.throws(
        () => lwt(receiving.program, "10.9.0.0/24", roomy),
        /headroom is for programs of type lwt_xmit/,
      );
      assert.throws(attach("10.9.0.0/24", { device: "lo" }), /unknown option "device"/);
      assert.throws(() => lwt(other.program, "10.9.0.0/24", { interface: "lo" }), isA(TypeError));
      assert.throws(() => lwt([], "10.9.0.0/24", { interface: "lo" }), isA(TypeError));
      const twice = [sending.program, sending.program];
      assert.throws(
        () => lwt(twice, "10.9.0.0/24", { interface: "lo" }),
        /one program of each type/,
      );
    });
  },
  NEEDS,
);

test.run();
