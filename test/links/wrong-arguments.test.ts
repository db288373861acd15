/**
 * Every function of `ebpf/links` with arguments of the wrong kind: an error that says so, never one of JavaScript's own.
 */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { AttachableProgram } from "../../links/arguments.ts";
import * as links from "../../links/index.ts";
import { BpfError } from "../../src/error.ts";
import type { FileDescriptor } from "../../src/sys/fd.ts";
import { openFile } from "../../src/sys/file.ts";
import { AttachType, MapType, ProgramType } from "../../src/uapi.ts";
import { assertNothingLeft } from "../helper/hygiene.ts";
import { hostTest } from "../helper/kernel.ts";
import { inOwnCgroup } from "./cgroups.ts";
import { Counter } from "./counter.ts";
import { hasCode } from "./errors.ts";
import { inOwnNetwork } from "./network.ts";

const test = suite("links/wrong arguments");

/** What V8 says of itself, and values that no message should show. */
const RAW =
  /Cannot (?:read|destructure|convert|mix|set|use)|is not (?:a function|iterable|a constructor)|undefined|\[object|NaN|must be (?:of type|a string)/;
const WRONG: readonly unknown[] = [undefined, null, 5, -1, 1.5, "x", "", {}, [], [5], () => {}, 7n];

interface Attach {
  type: number;
  attachType?: number;
  /** A place that could be right. */
  place?: unknown;
  options?: readonly string[];
}

const PROBE = { type: ProgramType.KPROBE };
const ANCHOR = ["before", "after", "expectedRevision"];
const FILE = "/bin/sh";

/** Functions that attach a program. */
const ATTACH: Readonly<Record<string, Attach>> = {
  kprobe: { ...PROBE, place: "no_such", options: ["offset", "retprobe", "cookie", "tracefs"] },
  ksyscall: { ...PROBE, place: "no_such", options: ["retprobe", "cookie", "tracefs"] },
  kprobeMulti: {
    ...PROBE,
    attachType: AttachType.TRACE_KPROBE_MULTI,
    place: ["no_such"],
    options: ["retprobe", "cookies"],
  },
  uprobe: {
    ...PROBE,
    place: FILE,
    options: [
      "symbol",
      "address",
      "offset",
      "retprobe",
      "pid",
      "refCtrOffset",
      "cookie",
      "tracefs",
    ],
  },
  uprobeMulti: {
    ...PROBE,
    attachType: AttachType.TRACE_UPROBE_MULTI,
    place: FILE,
    options: ["pattern", "symbols", "offsets", "retprobe", "pid", "cookies", "refCtrOffsets"],
  },
  usdt: { ...PROBE, place: `${FILE}:a:b`, options: ["provider", "name", "pid", "cookie"] },
  tracepoint: { type: ProgramType.TRACEPOINT, place: "no_such:one", options: ["cookie"] },
  rawTracepoint: { type: ProgramType.RAW_TRACEPOINT, place: "no_such", options: ["cookie"] },
  tracingMulti: {
    type: ProgramType.TRACING,
    attachType: AttachType.TRACE_FENTRY_MULTI,
    place: "no_such",
    options: ["cookies"],
  },
  xdp: { type: ProgramType.XDP, place: "none", options: ["mode", "link", "replace"] },
  tcx: { type: ProgramType.SCHED_CLS, place: "none", options: ["direction", ...ANCHOR] },
  tc: {
    type: ProgramType.SCHED_CLS,
    place: "none",
    options: ["direction", "priority", "handle"],
  },
  netkit: { type: ProgramType.SCHED_CLS, place: "none", options: ["side", ...ANCHOR] },
  cgroup: {
    type: ProgramType.CGROUP_SOCK,
    place: "/none",
    options: ["attachType", "link", "mode", ...ANCHOR],
  },
  sockmap: { type: ProgramType.SK_MSG, place: {}, options: ["as", "link"] },
  socketFilter: { type: ProgramType.SOCKET_FILTER, place: -1 },
  reuseport: { type: ProgramType.SK_REUSEPORT, place: -1 },
  lwt: {
    type: ProgramType.LWT_OUT,
    place: "10.1.0.0/16",
    options: ["interface", "via", "type", "table", "metric", "headroom"],
  },
  lirc: { type: ProgramType.LIRC_MODE2, place: "/none" },
};

/** Those that take options, and no place. */
const ATTACH_WITHOUT_PLACE: Readonly<Record<string, Attach>> = {
  tracing: {
    type: ProgramType.TRACING,
    attachType: AttachType.TRACE_FENTRY,
    options: ["cookie"],
  },
  freplace: { type: ProgramType.EXT, options: ["target", "function"] },
  perfEvent: {
    type: ProgramType.PERF_EVENT,
    options: ["event", "frequency", "period", "pid", "cgroup", "cpus", "fallback", "cookie"],
  },
  iterator: {
    type: ProgramType.TRACING,
    attachType: AttachType.TRACE_ITER,
    options: ["map", "pid", "tid", "cgroup", "order"],
  },
  netfilter: {
    type: ProgramType.NETFILTER,
    options: ["family", "hook", "priority", "defragment"],
  },
  skLookup: { type: ProgramType.SK_LOOKUP, options: ["namespace"] },
  flowDissector: { type: ProgramType.FLOW_DISSECTOR, options: ["namespace"] },
};

/** The others: they may take some of the wrong arguments for right, such as text. */
const OTHERS = [
  "structOps",
  "openLink",
  "listHooks",
  "usdtProbes",
  "tracedFunctions",
  "cgroupPrograms",
  "interfacePrograms",
  "namespacePrograms",
  "sockmapPrograms",
  "lircPrograms",
  "parseUprobeSection",
  "parseUprobeTarget",
  "parseUsdtTarget",
  "parseTracepointFormat",
];
/** Without arguments, or about values and not the kernel. */
const NOT_HERE = ["interfaces", "listLinks", "nearMatches"];

type Call = (...parameters: readonly unknown[]) => unknown;
const functions = links as unknown as Readonly<Record<string, Call>>;

function programOf({ type, attachType = 0 }: Attach, fd: FileDescriptor): AttachableProgram {
  return { name: "wrong", type, attachType, attachTo: "no_such", section: "", fd };
}

/** Calls; a failure has to be one of this package's, in words of its own. */
function check(name: string, parameters: readonly unknown[], mustFail: boolean): void {
  const call = `${name}(${parameters.map((one) => (typeof one === "bigint" ? `${one}n` : (JSON.stringify(one, (_key, value) => (value === one ? value : String(value))) ?? String(one)))).join(", ")})`;
  try {
    const result = functions[name]!(...parameters);
    if (result instanceof links.Link) result.close();
  } catch (error) {
    const isOwn =
      error instanceof TypeError || error instanceof RangeError || error instanceof BpfError;
    assert.ok(isOwn, `${call}: ${String(error)}`);
    assert.not.match((error as Error).message, RAW, `${call}: ${(error as Error).message}`);
    return;
  }
  assert.not.ok(mustFail, `${call} is taken`);
}

test("the tables name every function", () => {
  const known = [ATTACH, ATTACH_WITHOUT_PLACE].flatMap((table) => Object.keys(table));
  const exported = Object.entries(functions)
    .filter(([name, value]) => typeof value === "function" && /^[a-z]/.test(name))
    .map(([name]) => name);
  assert.equal([...known, ...OTHERS, ...NOT_HERE].sort(), exported.sort());
});

hostTest(test, "a wrong program, place or option of every attach function", async () => {
  await assertNothingLeft(() => {
    using namespace = links.NetworkNamespace.create();
    using _inside = namespace.enter();
    // No program: whatever else is right, attaching fails.
    using fd = openFile("/dev/null", "program wrong");
    for (const [name, entry] of Object.entries({ ...ATTACH, ...ATTACH_WITHOUT_PLACE })) {
      const hasPlace = Object.hasOwn(ATTACH, name);
      const program = programOf(entry, fd);
      for (const wrong of WRONG) {
        check(name, [wrong], true);
        check(name, [wrong, entry.place], true);
        check(name, [program, wrong], true);
        if (hasPlace) check(name, [program, entry.place, wrong], true);
        for (const option of entry.options ?? []) {
          const options = { [option]: wrong };
          check(name, hasPlace ? [program, entry.place, options] : [program, options], true);
        }
      }
      check(name, [], true);
    }
  });
});

hostTest(test, "what is no program or link, at a place where all else is right", async () => {
  const nothing = WRONG.filter((one) => one !== undefined);
  await inOwnNetwork(() => {
    const { SCHED_CLS, XDP } = ProgramType;
    using classifier = new Counter({ type: SCHED_CLS, attachType: AttachType.TCX_INGRESS });
    using packets = new Counter({ type: XDP, attachType: AttachType.XDP });
    for (const wrong of nothing) {
      // The kernel takes no number for the start or end of the list.
      check("tcx", [classifier.program, "lo", { before: wrong }], true);
      check("tcx", [classifier.program, "lo", { after: wrong }], true);
      check("xdp", [packets.program, "lo", { link: false, replace: wrong }], true);
    }
  });
  await inOwnCgroup((path) => {
    const attachType = AttachType.CGROUP_INET_EGRESS;
    using datagrams = new Counter({ type: ProgramType.CGROUP_SKB, attachType });
    for (const wrong of nothing) {
      check("cgroup", [datagrams.program, path, { link: false, before: wrong }], true);
      check("cgroup", [datagrams.program, path, { link: false, after: wrong }], true);
    }
  });
});

hostTest(test, "a program that was closed", () => {
  const fd = openFile("/dev/null", "program wrong");
  fd.close();
  for (const [name, entry] of Object.entries(ATTACH)) {
    check(name, [programOf(entry, fd), entry.place], true);
  }
  for (const [name, entry] of Object.entries(ATTACH_WITHOUT_PLACE)) {
    check(name, [programOf(entry, fd)], true);
  }
  const { xdp, tracing } = functions;
  for (const attach of [
    () => xdp!(programOf(ATTACH["xdp"]!, fd), "lo"),
    () => tracing!(programOf(ATTACH_WITHOUT_PLACE["tracing"]!, fd)),
  ]) {
    assert.throws(attach, hasCode("ERR_CLOSED"));
  }
});

hostTest(test, "wrong arguments of the functions that list and parse", () => {
  for (const name of OTHERS) {
    check(name, [], true);
    for (const wrong of WRONG) {
      check(name, [wrong], typeof wrong !== "string" && !(name === "openLink" && wrong === 5));
      check(name, ["/sys/fs/cgroup", wrong], false);
    }
  }
});

hostTest(test, "an option that is true or false takes nothing else", () => {
  using fd = openFile("/dev/null", "program wrong");
  const booleans: readonly (readonly [name: string, option: string])[] = [
    ["kprobe", "retprobe"],
    ["kprobe", "tracefs"],
    ["ksyscall", "retprobe"],
    ["kprobeMulti", "retprobe"],
    ["uprobe", "retprobe"],
    ["uprobe", "tracefs"],
    ["uprobeMulti", "retprobe"],
    ["xdp", "link"],
    ["cgroup", "link"],
    ["sockmap", "link"],
  ];
  for (const [name, option] of booleans) {
    const entry = ATTACH[name]!;
    for (const [value, text] of [
      ["no", '"no"'],
      [0, "0"],
      [null, "null"],
    ] as const) {
      assert.throws(
        () => functions[name]!(programOf(entry, fd), entry.place, { [option]: value }),
        (error: unknown) =>
          error instanceof TypeError &&
          error.message === `${name}: ${option} is ${text}, not true or false`,
        `${name} ${option} ${text}`,
      );
    }
  }
  const sampled = programOf(ATTACH_WITHOUT_PLACE["perfEvent"]!, fd);
  assert.throws(() => functions["perfEvent"]!(sampled, { fallback: "no" }), /fallback is "no"/);
  const filter = programOf(ATTACH_WITHOUT_PLACE["netfilter"]!, fd);
  const hook = { family: "ipv4", hook: "input", defragment: 1 };
  assert.throws(() => functions["netfilter"]!(filter, hook), /defragment is 1, not true or false/);
  const effective = { effective: "yes" };
  assert.throws(() => functions["cgroupPrograms"]!("/", 0, effective), /effective is "yes"/);
  assert.throws(() => functions["listHooks"]!("iter:*", { arguments: 1 }), /arguments is 1/);
});

hostTest(test, "a number that is text, or a bigint, is shown as such", () => {
  using fd = openFile("/dev/null", "program wrong");
  const probe = programOf(PROBE, fd);
  const many = programOf({ ...PROBE, attachType: AttachType.TRACE_UPROBE_MULTI }, fd);
  const tests: readonly (readonly [call: () => unknown, message: RegExp])[] = [
    [() => functions["uprobe"]!(probe, FILE, { offset: 0, pid: "12" }), /process, not "12"$/],
    [() => functions["uprobe"]!(probe, FILE, { offset: 0, pid: 12n }), /process, not 12n$/],
    [() => functions["usdt"]!(probe, FILE, { pid: "12" }), /process, not "12"$/],
    [() => functions["uprobeMulti"]!(many, FILE, { offsets: [0], pid: "12" }), /not "12"$/],
    [() => functions["uprobe"]!(probe, FILE, { offset: "0" }), /not "0"$/],
    [() => functions["uprobe"]!(probe, FILE, { offset: 0, cookie: "7" }), /cookie .* not "7"$/],
    [() => functions["uprobe"]!(probe, FILE, { offset: 0, cookie: -1n }), /cookie .* not -1n$/],
    [
      () =>
        functions["tc"]!(programOf(ATTACH["tc"]!, fd), "lo", {
          direction: "ingress",
          priority: "7",
        }),
      /priority is "7", not a whole number/,
    ],
    [
      () =>
        functions["lwt"]!(programOf(ATTACH["lwt"]!, fd), "10.1.0.0/16", {
          interface: "lo",
          metric: "7",
        }),
      /metric is "7", not a whole number/,
    ],
    [
      () => functions["iterator"]!(programOf(ATTACH_WITHOUT_PLACE["iterator"]!, fd), { pid: "12" }),
      /pid is "12", not the number/,
    ],
    [
      () =>
        functions["tcx"]!(programOf(ATTACH["tcx"]!, fd), "lo", {
          direction: "ingress",
          expectedRevision: "1",
        }),
      /expectedRevision .* not "1"$/,
    ],
  ];
  for (const [call, message] of tests) assert.throws(call, message);
});

hostTest(test, "a program for many places is not attached to one, quietly without a link", () => {
  using fd = openFile("/dev/null", "program wrong");
  for (const [name, attachType, place, options] of [
    ["uprobe", AttachType.TRACE_UPROBE_MULTI, FILE, { offset: 0 }],
    ["uprobe", AttachType.TRACE_UPROBE_SESSION, FILE, { offset: 0 }],
    ["usdt", AttachType.TRACE_UPROBE_SESSION, FILE, { provider: "a", name: "b" }],
    ["kprobe", AttachType.TRACE_KPROBE_MULTI, "vfs_read", {}],
    ["ksyscall", AttachType.TRACE_KPROBE_SESSION, "read", {}],
  ] as const) {
    assert.throws(
      () => functions[name]!(programOf({ ...PROBE, attachType }, fd), place, options),
      (error: unknown) =>
        error instanceof TypeError && /it was loaded for \w+, which is many/.test(error.message),
      name,
    );
  }
});

hostTest(test, "a pin takes a path", () => {
  using fd = openFile("/dev/null", "a link");
  const link = new links.Link({ kind: "xdp", description: "a to b", fd, isKernelLink: true });
  const pin = link.pin.bind(link) as Call;
  for (const [path, text] of [
    [5, "5"],
    [undefined, "nothing"],
    ["", '""'],
    ["a\0b", '"a\\u0000b"'],
  ] as const) {
    assert.throws(
      () => pin(path),
      (error: unknown) =>
        error instanceof TypeError && error.message === `pin link of a to b: ${text} is no path`,
    );
  }
});

hostTest(test, "an iterator and a map of sockets take maps", () => {
  using fd = openFile("/dev/null", "program wrong");
  const walker = programOf(ATTACH_WITHOUT_PLACE["iterator"]!, fd);
  assert.throws(() => functions["iterator"]!(walker, { map: 5 }), /map is 5, not a map/);
  const map = { name: "counts", type: MapType.HASH, fd };
  assert.throws(
    () => functions["sockmap"]!(programOf(ATTACH["sockmap"]!, fd), map),
    /counts is not a map of type sockmap or sockhash/,
  );
});

test.run();
