import { suite } from "uvu";
import * as assert from "uvu/assert";
import { xdpPrograms } from "../../links/interface.ts";
import { attachXdp, type XdpOptions, xdp } from "../../links/xdp.ts";
import { alu, load } from "../../src/asm/index.ts";
import { UnsupportedError } from "../../src/error.ts";
import { RouteSocket } from "../../src/sys/netlink.ts";
import { AttachType, ProgramType } from "../../src/uapi.ts";
import { assertNothingLeft } from "../helper/hygiene.ts";
import { kernelTest } from "../helper/kernel.ts";
import { Counter } from "./counter.ts";
import { hasCode, isA, isSyscall, isTarget } from "./errors.ts";
import { addName, indexOf, inOwnNetwork, makeVeth, sendDatagram } from "./network.ts";
import { kernelBefore57, kernelBefore59 } from "./old-kernel.ts";

const test = suite("links/xdp");

const PASS = 2;

/** Counts packets, and keeps the length of the last. */
function counter(): Counter {
  return new Counter({
    type: ProgramType.XDP,
    attachType: AttachType.XDP,
    before: [load("r7", "u32", "r6", 4), load("r2", "u32", "r6", 0), alu("r7", "-=", "r2")],
    after: [alu("r0", "=", PASS)],
  });
}

function attachedIds(name: string): object {
  using socket = new RouteSocket();
  return xdpPrograms(socket, indexOf(name));
}

/** Ethernet, IP and UDP headers, and 7 bytes. */
const DATAGRAM = BigInt(14 + 20 + 8 + 7);

async function runsAndStops(options: XdpOptions, kernel?: typeof kernelBefore59): Promise<void> {
  await assertNothingLeft(async () => {
    await inOwnNetwork(async () => {
      using first = counter();
      using second = counter();
      const link = attachXdp(first.program, "lo", options, kernel);
      assert.is(link.isKernelLink, kernel === undefined && options.link !== false);
      assert.is(link.outlivesProcess, !link.isKernelLink);
      await sendDatagram();
      assert.ok(first.count > 0);
      assert.is(first.kept, DATAGRAM);
      assert.match(
        String(await caught(() => xdp(second.program, "lo", options))),
        /program \d+ \(skb\)/,
      );

      link.update(second.program, { expected: first.program });
      assert.match(link.description, /^count to XDP of lo/);
      const before = first.count;
      await sendDatagram();
      assert.is(first.count, before);
      assert.ok(second.count > 0);
      assert.throws(() => link.update(first.program, { expected: first.program }), isSyscallOf());

      link.close();
      link.close();
      const last = second.count;
      await sendDatagram();
      assert.is(second.count, last);
      assert.equal(attachedIds("lo"), { native: 0, skb: 0, offload: 0 });
    });
  });
}

function caught(body: () => unknown): unknown {
  try {
    body();
  } catch (error) {
    assert.ok(hasCode("EBUSY")(error) || hasCode("EEXIST")(error), String(error));
    return error;
  }
  throw new Error("nothing was thrown");
}

function isSyscallOf(): (error: unknown) => boolean {
  return (error) => ["EPERM", "EEXIST", "EBUSY"].some((code) => isSyscall(code)(error));
}

kernelTest(test, "through a link: it sees packets, is updated, and stops", async () => {
  await runsAndStops({ mode: "skb" });
});

kernelTest(test, "by netlink, asked for: it sees packets, is replaced, and stops", async () => {
  await runsAndStops({ mode: "skb", link: false });
});

kernelTest(test, "by netlink, on a kernel without links of XDP", async () => {
  await runsAndStops({}, kernelBefore59);
});

kernelTest(test, "by netlink, on a kernel that does not compare programs", async () => {
  await runsAndStops({}, kernelBefore57);
  await inOwnNetwork(() => {
    using first = counter();
    using second = counter();
    using third = counter();
    const options = { mode: "skb", link: false } as const;
    using old = attachXdp(first.program, "lo", options, kernelBefore57);
    const replacing = (replace: typeof first.program) => () =>
      attachXdp(second.program, "lo", { ...options, replace }, kernelBefore57);
    assert.throws(replacing(third.program), hasCode("EEXIST"));
    using _fresh = replacing(first.program)();
    assert.throws(() => old.update(third.program), hasCode("EEXIST"));
    // The first has lost its place; closing it takes nothing from the second.
    old.close();
    assert.equal(attachedIds("lo"), { native: 0, skb: second.program.id, offload: 0 });
  });
});

kernelTest(
  test,
  "in a driver, by number, with information",
  { needs: "veth", config: "CONFIG_VETH", loadable: "veth" },
  async () => {
    await inOwnNetwork(async () => {
      makeVeth("left", "right");
      using seen = counter();
      using link = xdp(seen.program, indexOf("left"), { mode: "native" });
      assert.equal(link.info().details, { kind: "xdp", interface: indexOf("left") });
      assert.is(link.info().programId > 0, true);
      const { native } = attachedIds("left") as { native: number };
      assert.is(native, link.info().programId);
      assert.throws(() => xdp(seen.program, "right", { mode: "offload" }), isA(Error));
      link.detach();
      assert.equal(attachedIds("left"), { native: 0, skb: 0, offload: 0 });
    });
  },
);

kernelTest(
  test,
  "a program attached by netlink makes room for another, and nothing else does",
  async () => {
    await inOwnNetwork(() => {
      using first = counter();
      using second = counter();
      using third = counter();
      using old = xdp(first.program, "lo", { link: false });
      const replace = third.program;
      assert.throws(() => xdp(second.program, "lo", { link: false, replace }), hasCode("EEXIST"));
      using fresh = xdp(second.program, "lo", { link: false, replace: first.program });
      // The first has lost its place; closing it takes nothing from the second.
      old.close();
      assert.not.equal(attachedIds("lo"), { native: 0, skb: 0, offload: 0 });
      assert.throws(() => fresh.pin("/sys/fs/bpf/no"), isA(UnsupportedError));
      assert.throws(() => fresh.info(), /attached without a link/);
    });
  },
);

kernelTest(
  test,
  "an interface has other names, which may be long",
  { needs: "veth", config: "CONFIG_VETH", loadable: "veth" },
  async () => {
    await inOwnNetwork(() => {
      makeVeth("left", "right");
      const names = ["interface-with-a-name-of-more-than-15-bytes", "short"];
      for (const name of names) addName("left", name);
      using seen = counter();
      for (const name of names) {
        using link = xdp(seen.program, name);
        assert.is(link.description, "count to XDP of left");
      }
      assert.throws(
        () => xdp(seen.program, `${names[0]}-`),
        isTarget("ENOENT", /no interface int/),
      );
      assert.throws(() => xdp(seen.program, "x".repeat(9999)), isTarget("ENOENT", /^.{1,200}$/));
    });
  },
);

kernelTest(
  test,
  "an interface that is not there is named, with those that look like it",
  async () => {
    await assertNothingLeft(async () => {
      await inOwnNetwork(() => {
        using program = counter();
        assert.throws(() => xdp(program.program, "l0"), isTarget("ENOENT", /did you mean "?lo"?/));
        assert.throws(() => xdp(program.program, 4711), isTarget("ENOENT", /number 4711/));
        assert.throws(() => xdp(program.program, "lo-and-more-than-15-bytes"), isTarget("ENOENT"));
        for (const bad of ["", "a\0b"])
          assert.throws(() => xdp(program.program, bad), isA(TypeError));
        for (const bad of [0, -1, 1.5])
          assert.throws(() => xdp(program.program, bad), isA(RangeError));
        assert.throws(
          () => xdp(program.program, "lo", { mode: "generic" as "skb" }),
          isA(TypeError),
        );
        assert.throws(
          () => xdp(program.program, "lo", { replace: program.program }),
          /link: false/,
        );
      });
    });
  },
);

test.run();
