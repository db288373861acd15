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
import { eventually } from "../helper/process.ts";
import { Counter } from "./counter.ts";
import { hasCode, isA, isSyscall } from "./errors.ts";
import { addAddress, indexOf, inOwnNetwork, makeVeth } from "./network.ts";

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

/** `NLM_F_APPEND`. */
const APPEND = 0x800;

/** Somebody's request about routes to a prefix: RTM_NEWROUTE 24, RTM_DELROUTE 25; `scope` and `type` as in `struct rtmsg`. */
function askRoute(
  request: number,
  flags: number,
  to: string,
  [scope, type]: readonly [scope: number, type: number],
  more: NetlinkAttribute[],
): void {
  const [address = "", bits] = to.split("/");
  const bytes = parseAddress(address)!;
  const message = new Uint8Array(12);
  message.set([bytes.length === 4 ? 2 : 10, Number(bits), 0, 0, 254, 4, scope, type]);
  const attributes = writeAttributes([[1, bytes], ...more]);
  using socket = new RouteSocket();
  socket.request(request, flags, [message, attributes], `${request} ${to}`);
}

/** Removes the route to a prefix that comes first, whoever made it; whether there was any. */
function removeFirst(to: string): boolean {
  try {
    askRoute(25, 0, to, [255, 0], []);
    return true;
  } catch (error) {
    if (hasCode("ESRCH")(error)) return false;
    throw error;
  }
}

/** Makes a local route over `lo` as `ip route` does, with no program and the metric that ours have. */
function makeForeign(to: string, flags: number = NetlinkFlag.EXCL): void {
  askRoute(24, NetlinkFlag.CREATE | flags, to, [254, 2], [[4, indexOf("lo")]]);
}

kernelTest(test, "what somebody puts in the place of the route is theirs", NEEDS, async () => {
  await assertNothingLeft(async () => {
    await inOwnNetwork(() => {
      for (const to of ["10.9.0.0/24", "fd09::/64"]) {
        using packets = counter(ProgramType.LWT_OUT);
        using own = lwt(packets.program, to, { interface: "lo", type: "local" });
        assert.ok(removeFirst(to));
        assert.throws(() => own.update(packets.program), hasCode("ENOLINK"));
        assert.not(removeFirst(to), `${to} was not made again`);
        makeForeign(to);
        assert.throws(() => own.update(packets.program), /somebody put another in its place/);
        own.close();
        assert.ok(removeFirst(to), `${to} is left alone`);
        assert.not(removeFirst(to));
      }
    });
  });
});

kernelTest(test, "what somebody puts beside the route is theirs", NEEDS, async () => {
  await inOwnNetwork(() => {
    using packets = counter(ProgramType.LWT_OUT);
    // Routes of IPv4 are put before those of the same metric, routes of IPv6 behind.
    for (const to of ["10.9.0.0/24", "fd09::/64"]) {
      using own = lwt(packets.program, to, { interface: "lo", type: "local" });
      makeForeign(to, to.includes(":") ? APPEND : 0);
      if (to.includes(":")) own.update(packets.program);
      else
        assert.throws(() => own.update(packets.program), isSyscall("EEXIST", /stands before it/));
      own.close();
      assert.ok(removeFirst(to), `${to} is left alone`);
      assert.not(removeFirst(to), `ours to ${to} has gone`);
    }
    // Of next hops with one metric the kernel makes one route.
    makeVeth("veth0", "veth1");
    const to = "fd08::/64";
    using own = lwt(packets.program, to, { interface: "veth0", via: "fe80::1" });
    const other: NetlinkAttribute[] = [
      [4, indexOf("veth0")],
      [5, parseAddress("fe80::2")!],
      [6, 1024],
    ];
    askRoute(24, NetlinkFlag.CREATE | APPEND, to, [0, 1], other);
    assert.throws(() => own.update(packets.program), hasCode("EEXIST"));
    own.close();
    askRoute(25, 0, to, [255, 0], other);
    assert.not(removeFirst(to), "ours has gone");
  });
});

kernelTest(test, "a route that somebody removed takes no other with it", NEEDS, async () => {
  await assertNothingLeft(async () => {
    await inOwnNetwork(async () => {
      using packets = counter(ProgramType.LWT_OUT);
      for (const to of ["10.9.0.0/24", "fd09::/64"]) {
        using other = counter(ProgramType.LWT_OUT);
        const rest: LwtOptions = { interface: "lo", type: "local" };
        using own = lwt(packets.program, to, rest);
        own.update(packets.program);
        removeFirst(to);
        // Its program has the same name, and all else is the same, too.
        using _other = lwt(other.program, to, rest);
        own.close();
        await send(to.replace(/0?\/.*/, "1"));
        assert.ok(await eventually(() => other.count === 1), to);
        assert.is(packets.count, 0);
      }
    });
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
