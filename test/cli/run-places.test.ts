/**
 * `ebpf run` puts programs where its options say, and names the option where one is missing.
 */

import { spawn, spawnSync } from "node:child_process";
import { createSocket } from "node:dgram";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { constants, tmpdir } from "node:os";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { SymbolType } from "../../elf/index.ts";
import {
  cgroupPrograms,
  type Link,
  NetworkNamespace,
  namespacePrograms,
  ProbeGroup,
} from "../../links/index.ts";
import { findInterface, xdpPrograms } from "../../links/interface.ts";
import { attachedText } from "../../src/cli/run-places.ts";
import { NetlinkFlag, RouteSocket } from "../../src/sys/netlink.ts";
import { readAttributes } from "../../src/sys/netlink-message.ts";
import { AttachType } from "../../src/uapi.ts";
import { CLI, ebpf, type Outcome } from "../helper/cli.ts";
import { fixturePath } from "../helper/fixtures.ts";
import { ebpfHere } from "../helper/in-process.ts";
import { hostTest, isOlderThan, type KernelNeeds } from "../helper/kernel.ts";
import { eventually, whenEnded } from "../helper/process.ts";
import { SLOWNESS } from "../helper/slowness.ts";
import { inOwnCgroup } from "../links/cgroups.ts";
import { inOwnNetwork } from "../links/network.ts";
import { code, exit, fn, mov, objectBytes } from "../spec/object.ts";

const test = suite("cli: run, places");

/** Runs `body` with a file. */
async function withBytes(
  bytes: Uint8Array,
  body: (file: string) => void | Promise<void>,
): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "ebpf-test-"));
  try {
    const file = join(folder, "object.o");
    writeFileSync(file, bytes);
    await body(file);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Runs `body` with the file of an object whose programs, by section, return a number. */
async function withObject(
  programs: Readonly<Record<string, number>>,
  body: (file: string) => void | Promise<void>,
): Promise<void> {
  const sections = Object.keys(programs);
  const bytes = objectBytes({
    sections: sections.map((section) => code(section, [mov(programs[section]!), exit])),
    symbols: sections.map((section) => fn(`on_${section.replaceAll(/\W/g, "_")}`, section, 0, 2)),
  });
  await withBytes(bytes, body);
}

/** Runs the command, in this process, until `body` is done. */
async function whileRunning(
  args: readonly string[],
  body: () => void | Promise<void>,
  signal: NodeJS.Signals = "SIGINT",
): Promise<Outcome> {
  const running = ebpfHere(["run", "--duration", `${120 * SLOWNESS}s`, ...args]);
  try {
    await body();
  } finally {
    // Nobody listens when the command has failed, and this process would end.
    if (process.listenerCount(signal) > 0) process.kill(process.pid, signal);
    else if (process.listenerCount("SIGINT") > 0) process.emit("SIGINT");
  }
  return running;
}

/** Whether a datagram that is sent to this process comes within some milliseconds; why sending failed. */
async function datagram(patience = 30_000): Promise<boolean | string> {
  const socket = createSocket("udp4");
  try {
    await new Promise<void>((resolve) => socket.bind(0, "127.0.0.1", resolve));
    return await new Promise((resolve) => {
      socket.on("message", () => resolve(true));
      setTimeout(() => resolve(false), patience * SLOWNESS).unref();
      socket.send("7 bytes", socket.address().port, "127.0.0.1", (error) => {
        if (error !== null) resolve((error as NodeJS.ErrnoException).code ?? "");
      });
    });
  } finally {
    socket.close();
  }
}

hostTest(test, "--interface: packets are dropped as long as it runs", async () => {
  await withObject({ xdp: 1 }, async (file) => {
    await inOwnNetwork(async () => {
      using netlink = new RouteSocket();
      const { index } = findInterface("lo", "test");
      const { code: exitCode, stderr } = await whileRunning(
        ["--interface", "lo", file],
        async () => {
          assert.ok(await eventually(() => xdpPrograms(netlink, index).skb !== 0));
          assert.is(await datagram(50), false);
        },
      );
      assert.is(exitCode, 0, stderr);
      assert.match(stderr, /^attached on_xdp to (.* )?lo\b/m);
      assert.is(xdpPrograms(netlink, index).skb, 0);
      assert.is(await datagram(), true);
    });
  });
});

hostTest(
  test,
  "--interface, --direction, --route: sections tc and lwt_xmit",
  async () => {
    await withObject({ tc: 2, lwt_xmit: 0 }, async (file) => {
      await inOwnNetwork(async () => {
        const args = ["--interface", "lo", "--direction", "egress", "--route", "10.9.0.0/24", file];
        const { code: exitCode, stderr } = await whileRunning(args, async () => {
          // The route comes last; packets are dropped where they go out.
          assert.ok(await eventually(() => programRoutes() === 1));
          assert.is.not(await datagram(50), true);
        });
        assert.is(exitCode, 0, stderr);
        const hook = isOlderThan("6.6") ? "tc" : "tcx";
        assert.match(stderr, new RegExp(`^attached on_tc to ${hook} egress of lo`, "m"));
        assert.match(stderr, /^attached on_lwt_xmit to the route to 10\.9\.0\.0\/24/m);
        assert.is(await datagram(), true);
      });
    });
  },
  {
    needs: "BPF filters and routes",
    config: ["CONFIG_NET_SCH_INGRESS", "CONFIG_NET_CLS_BPF", "CONFIG_LWTUNNEL_BPF"],
  },
);

/** `RTM_GETROUTE` of include/uapi/linux/rtnetlink.h, and whether a route has an `RTA_ENCAP`. */
function programRoutes(): number {
  using netlink = new RouteSocket();
  const routes = netlink.request(26, NetlinkFlag.DUMP, [new Uint8Array(12)], "list routes");
  return routes.filter(({ payload }) => readAttributes(payload.subarray(12)).has(22)).length;
}

const ROUTES: KernelNeeds = { needs: "programs of routes", config: "CONFIG_LWTUNNEL_BPF" };

hostTest(
  test,
  "a terminal that goes away (SIGHUP) ends it as other signals do, without a trace",
  async () => {
    await withObject({ lwt_xmit: 0 }, async (file) => {
      await inOwnNetwork(async () => {
        const args = ["--interface", "lo", "--route", "10.9.0.0/24", file];
        const body = async () => {
          assert.ok(await eventually(() => programRoutes() === 1));
          // Of signals without a listener this process would end.
          assert.is(process.listenerCount("SIGHUP"), 1);
        };
        const { code: exitCode, stderr } = await whileRunning(args, body, "SIGHUP");
        assert.is(exitCode, 0, stderr);
        assert.is(programRoutes(), 0);
        assert.is(process.listenerCount("SIGHUP"), 0);
      });
    });
  },
  ROUTES,
);

/** Runs a command in a terminal, closes that at the word "attached", and prints what ended the command. */
const HANG_UP = `
import os, pty, sys
child, terminal = pty.fork()
if child == 0: os.execvp(sys.argv[1], sys.argv[1:])
text = b""
while b"attached" not in text: text += os.read(terminal, 1000)
os.close(terminal)
print(os.WTERMSIG(os.waitpid(child, 0)[1]))
`;

hostTest(
  test,
  "without the terminal that it had it cleans up, and ends by SIGHUP",
  async () => {
    await withObject({ lwt_xmit: 0 }, async (file) => {
      await inOwnNetwork(() => {
        const args = [
          CLI,
          "run",
          "--duration",
          `${120 * SLOWNESS}s`,
          "--interface",
          "lo",
          "--route",
        ];
        const { stdout, stderr } = spawnSync(
          "python3",
          ["-c", HANG_UP, process.execPath, ...args, "10.9.0.0/24", file],
          { encoding: "utf8", timeout: 60_000 * SLOWNESS },
        );
        assert.is(stdout, `${constants.signals.SIGHUP}\n`, stderr);
        assert.is(programRoutes(), 0);
      });
    });
  },
  {
    ...ROUTES,
    obstacle: () =>
      spawnSync("python3", ["--version"]).status === 0 ? undefined : "python3 is not installed",
  },
);

hostTest(
  test,
  "a reader of its output that goes away ends it, without a trace",
  async () => {
    await withObject({ lwt_xmit: 0, "iter/task": 0 }, async (file) => {
      await inOwnNetwork(async () => {
        const args = ["run", "--json", "--trace", "--interface", "lo", "--route", "10.9.0.0/24"];
        const stdio = ["ignore", "pipe", "pipe"] as const;
        let exitCode: number | null;
        let stderr = "";
        const isTaken = () => exitCode === 1 && stderr.includes("somebody reads it already");
        // There is one trace pipe, which others on the machine may read.
        const end = performance.now() + 60_000 * SLOWNESS;
        do {
          const child = spawn(process.execPath, [CLI, ...args, file], { stdio: [...stdio] });
          // What the iterator says is written once all is attached, to nobody.
          child.stdout!.destroy();
          stderr = "";
          child.stderr!.on("data", (text) => {
            stderr += text;
          });
          exitCode = (await whenEnded(child)).code;
        } while (isTaken() && performance.now() < end);
        assert.is(exitCode, 0, stderr);
        assert.is(programRoutes(), 0);
      });
    });
  },
  { ...ROUTES, config: ["CONFIG_LWTUNNEL_BPF", "CONFIG_DEBUG_INFO_BTF"] },
);

hostTest(
  test,
  "--cgroup: what the cgroup's processes send is denied as long as it runs",
  async () => {
    await withObject({ "cgroup_skb/egress": 0, "cgroup/sock_create": 1 }, async (file) => {
      await inOwnNetwork(async () => {
        await inOwnCgroup(async (path) => {
          const { code: exitCode, stderr } = await whileRunning(
            ["--cgroup", path, file],
            async () => {
              const { CGROUP_INET_EGRESS } = AttachType;
              const count = () => cgroupPrograms(path, CGROUP_INET_EGRESS).programs.length;
              assert.ok(await eventually(() => count() === 1));
              assert.is(await datagram(), "EPERM");
            },
          );
          assert.is(exitCode, 0, stderr);
          assert.match(stderr, /^attached on_cgroup_skb_egress to inet_egress of cgroup/m);
          assert.match(stderr, /^attached on_cgroup_sock_create to inet_sock_create of cgroup/m);
          assert.is(await datagram(), true);
        });
      });
    });
  },
  { needs: "cgroup_skb programs", config: "CONFIG_CGROUP_BPF" },
);

hostTest(test, "--netns: all is attached in another network namespace", async () => {
  await withObject({ sk_lookup: 1, xdp: 2 }, async (file) => {
    using namespace = NetworkNamespace.create();
    const path = `/proc/self/fd/${namespace.fd.number}`;
    const args = ["--netns", path, "--interface", "lo", file];
    const { code: exitCode, stderr } = await whileRunning(args, async () => {
      const found = () => namespacePrograms(AttachType.SK_LOOKUP, { namespace }).programs;
      assert.ok(await eventually(() => found().length === 1));
      namespace.run(() => {
        using netlink = new RouteSocket();
        assert.is.not(xdpPrograms(netlink, findInterface("lo", "test").index).skb, 0);
      });
    });
    assert.is(exitCode, 0, stderr);
    assert.match(stderr, /^attached on_sk_lookup to sk_lookup of \/proc\/self\/fd\/\d+/m);
    assert.match(stderr, /^attached on_xdp to (.* )?lo\b/m);
    assert.equal(namespacePrograms(AttachType.SK_LOOKUP, { namespace }).programs, []);
  });
});

hostTest(test, "--target, --pid, --frequency: probes and samples of one process", async () => {
  await withObject({ uprobe: 0, perf_event: 0 }, async (file) => {
    const target = "on_uprobe=libc.so.6:getppid";
    const args = ["--target", target, "--pid", String(process.pid), "--frequency", "50", file];
    const { code: exitCode, stderr } = await ebpfHere(["run", "--duration", "100ms", ...args]);
    assert.is(exitCode, 0, stderr);
    assert.match(stderr, /^attached on_uprobe to uprobe .*getppid/m);
    assert.match(stderr, /^attached on_perf_event to /m);
  });
});

hostTest(
  test,
  "an iterator is run once, and then there is nothing to wait for",
  async () => {
    await withObject({ "iter/task": 0 }, async (file) => {
      const { code: exitCode, stdout, stderr } = await ebpfHere(["run", "--json", file]);
      assert.is(exitCode, 0, stderr);
      assert.is(stdout, '{"program":"on_iter_task","text":""}\n');
      assert.is(stderr, "attached on_iter_task to iterator task\n");
    });
  },
  { needs: "iterators", config: "CONFIG_DEBUG_INFO_BTF" },
);

hostTest(
  test,
  "--netns: an iterator walks the sockets of another network namespace, and one of tasks has none",
  async () => {
    using namespace = NetworkNamespace.create();
    const netns = ["--netns", `/proc/self/fd/${namespace.fd.number}`];
    await withObject({ "iter/tcp": 0 }, async (file) => {
      const { code, stdout, stderr } = await ebpfHere(["run", "--json", ...netns, file]);
      assert.equal([code, stdout], [0, '{"program":"on_iter_tcp","text":""}\n'], stderr);
    });
    await withObject({ "iter/task": 0 }, async (file) => {
      const { code, stderr } = await ebpfHere(["run", ...netns, file]);
      assert.is(code, 2);
      assert.match(stderr, /--netns: no program of the object takes it; they take --pid NUMBER/);
    });
  },
  { needs: "iterators", config: "CONFIG_DEBUG_INFO_BTF" },
);

hostTest(test, "--map: programs of sockets go to a map of the object", async () => {
  const definition = new Uint8Array(20);
  // struct bpf_map_def: type (sockmap), sizes of key and value, entries, flags.
  for (const [at, value] of [15, 4, 4, 1, 0].entries()) {
    new DataView(definition.buffer).setUint32(at * 4, value, true);
  }
  await withBytes(
    objectBytes({
      sections: [code("sk_msg", [mov(1), exit]), { name: "maps", data: definition }],
      symbols: [
        fn("on_message", "sk_msg", 0, 2),
        { name: "sockets", section: "maps", value: 0, size: 20, type: SymbolType.OBJECT },
      ],
    }),
    async (file) => {
      const args = ["run", "--duration", "50ms", "--map", "sockets", file];
      const { code: exitCode, stderr } = await ebpfHere(args);
      assert.is(exitCode, 0, stderr);
      assert.match(stderr, /^attached on_message to sk_msg_verdict of map sockets$/m);
      const without = await ebpfHere(["run", file]);
      assert.match(without.stderr, /^skipped on_message: .*: --map NAME does$/m);
    },
  );
});

hostTest(test, "what lacks a place is skipped by the name of the option", async () => {
  const sections = {
    xdp: 2,
    "cgroup/sock_create": 1,
    sk_lookup: 1,
    perf_event: 0,
    lwt_in: 0,
    tc: 0,
  };
  await withObject(sections, async (file) => {
    const { code: exitCode, stderr } = await ebpfHere(["run", file]);
    assert.is(exitCode, 1);
    for (const [name, option] of [
      ["on_xdp", "--interface NAME does"],
      ["on_cgroup_sock_create", "--cgroup PATH does"],
      ["on_sk_lookup", "--netns PATH does"],
      ["on_perf_event", "--frequency HERTZ does"],
      ["on_lwt_in", "--route PREFIX with --interface NAME or --via ADDRESS does"],
      ["on_tc", "--direction ingress or --direction egress does"],
    ]) {
      assert.match(stderr, new RegExp(`^skipped ${name}: section .* ${option}$`, "m"));
    }
    assert.match(stderr, /no program of the object was attached; it takes --interface NAME, --/);
  });
  await withObject({ uprobe: 0 }, async (file) => {
    const { stderr } = await ebpfHere(["run", file]);
    assert.match(
      stderr,
      /^skipped on_uprobe: section uprobe names no target: --target on_uprobe=TARGET does$/m,
    );
  });
});

hostTest(test, "places that are not there", async () => {
  await withObject({ xdp: 2 }, async (file) => {
    const noInterface = await ebpfHere(["run", "--interface", "no-such0", file]);
    assert.is(noInterface.code, 1);
    assert.match(noInterface.stderr, /has no interface no-such0/);
    const noNamespace = await ebpfHere(["run", "--netns", "no-such", "--interface", "lo", file]);
    assert.is(noNamespace.code, 1);
    assert.match(noNamespace.stderr, /\/run\/netns\/no-such/);
  });
});

hostTest(
  test,
  "a given place that is wrong ends it, although others could be attached",
  async () => {
    const sections = { "raw_tp/sys_enter": 0, xdp: 2, "cgroup/sock_create": 1, uprobe: 0 };
    await withObject(sections, async (file) => {
      for (const [option, place, message] of [
        ["interface", "no-such0", /has no interface no-such0/],
        ["cgroup", "/no/such/cgroup", /\/no\/such\/cgroup/],
        ["target", "on_uprobe=/no/such/file:main", /\/no\/such\/file: there is no such file/],
        ["target", "on_raw_tp_sys_enter=no_such", /no_such/],
      ] as const) {
        const args = ["run", "--duration", "10ms", `--${option}`, place, file];
        const { code: exitCode, stderr } = await ebpfHere(args);
        assert.is(exitCode, 1, stderr);
        assert.match(stderr, message);
        assert.not.match(stderr, /^(attached|skipped) /m);
      }
      const without = await ebpfHere(["run", "--duration", "10ms", file]);
      assert.is(without.code, 0, without.stderr);
      assert.match(without.stderr, /^attached on_raw_tp_sys_enter /m);
    });
  },
);

test("options of places that no program goes to are misuse", async () => {
  const file = fixturePath("uprobe.el.o");
  for (const [option, value] of [
    ["interface", "lo"],
    ["xdp-mode", "skb"],
    ["direction", "egress"],
    ["cgroup", "/sys/fs/cgroup"],
    ["netns", "1"],
    ["netfilter", "ipv4:input"],
    ["frequency", "99"],
    ["receiver", "/dev/lirc0"],
    ["route", "10.9.0.0/24"],
  ] as const) {
    const { code: exitCode, stderr } = await ebpfHere(["run", `--${option}`, value, file]);
    assert.is(exitCode, 2, stderr);
    const message = `--${option}: no program of the object takes it; they take --pid NUMBER`;
    assert.ok(stderr.includes(message), stderr);
  }
  await withObject({ "tc/ingress": 0 }, async (object) => {
    const { code: exitCode, stderr } = await ebpfHere(["run", "--direction", "egress", object]);
    assert.is(exitCode, 2, stderr);
    assert.match(stderr, /--direction: no program of the object takes it; they take --interface/);
  });
});

test("a route takes an option that says where packets leave", async () => {
  await withObject({ lwt_xmit: 0 }, async (file) => {
    const { code: exitCode, stderr } = await ebpfHere(["run", "--route", "10.9.0.0/24", file]);
    assert.is(exitCode, 2, stderr);
    assert.match(stderr, /--route 10\.9\.0\.0\/24: --interface NAME, --via ADDRESS or both are/);
  });
});

test("what is attached one by one is said with what is left out", () => {
  const link = { description: "count to kprobe.multi tcp_*" } as Link;
  assert.is(attachedText(link), "count to kprobe.multi tcp_*");
  const group = (...targets: string[]): Link =>
    Object.create(ProbeGroup.prototype, {
      description: { value: link.description },
      skipped: { value: targets.map((target) => ({ target, error: undefined })) },
    });
  assert.is(attachedText(group()), link.description);
  assert.is(
    attachedText(group("a", "b", "c", "d", "e")),
    `${link.description}, but for a, b, c and 2 more, which cannot be probed one by one`,
  );
});

test("options that make no sense are misuse", async () => {
  const file = fixturePath("uprobe.el.o");
  for (const [args, message] of [
    [["--interface", ""], /--interface is empty/],
    [["--xdp-mode", "fast"], /--xdp-mode fast is none of native, skb, offload/],
    [["--direction", "up"], /--direction up is none of ingress, egress/],
    [["--netfilter", "input"], /FAMILY:HOOK/],
    [["--netfilter", "ipv4:inptu"], /inptu is none of prerouting, input/],
    [["--pid", "0"], /--pid 0 is no whole number above 0/],
    [["--frequency", "often"], /--frequency often is no whole number/],
    [["--via", "10.0.0.1"], /--route beside it/],
    [["--map", "nowhere"], /the object has no map nowhere/],
    [["--target", "on_entri=x"], /no program on_entri; did you mean "on_entry"/],
    [["--target", "on_entry="], /the target is empty/],
    [["--buffer", "much"], /--buffer much is no size/],
    [["--netns", ""], /--netns is empty/],
    [["--interfce", "lo"], /no option --interfce; did you mean "--interface"/],
  ] as const) {
    const { code: exitCode, stderr } = await ebpfHere(["run", ...args, file]);
    assert.is(exitCode, 2, stderr);
    assert.match(stderr, message);
  }
  const xdp = await ebpfHere(["run", "--target", "on_xdp=x", fixturePath("sections.el.o")]);
  assert.match(xdp.stderr, /programs of section xdp have no target/);
  assert.match(ebpf(["run", "--help"]).stdout, /--interface NAME/);
});

test.run();
