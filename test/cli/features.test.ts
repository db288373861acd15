import { suite } from "uvu";
import * as assert from "uvu/assert";
import { Helper } from "../../src/asm/index.ts";
import { type Answer, type Report, reportText } from "../../src/cli/features-text.ts";
import { haveHelper, noisyHelpers } from "../../src/features/index.ts";
import { MapType, ProgramType } from "../../src/uapi.ts";
import { compareFeatures, type Probes } from "../differential/feature-answers.ts";
import { bpftool, bpftoolTest } from "../helper/bpftool.ts";
import { ebpf } from "../helper/cli.ts";
import { ebpfHere } from "../helper/in-process.ts";
import { hostTest } from "../helper/kernel.ts";

const test = suite("cli: features");

let kept: Promise<Report> | undefined;

/** What the command prints, once for all tests: it takes thousands of probes. */
function report(): Promise<Report> {
  kept ??= ebpfHere(["features", "--json"]).then(({ code, stdout, stderr }) => {
    assert.is(code, 0, stderr);
    return JSON.parse(stdout) as Report;
  });
  return kept;
}

hostTest(test, "--json has every type, feature and helper, with why not", async () => {
  const { programTypes, mapTypes, mapFlags, features, helpers, skippedHelpers } = await report();
  assert.is(programTypes.length, Object.keys(ProgramType).length - 1);
  assert.is(mapTypes.length, Object.keys(MapType).length - 1);
  const answers: Answer[] = [...programTypes, ...mapTypes, ...mapFlags, ...features];
  for (const { state, reason, since } of answers) {
    assert.is(reason === null, state === "supported");
    assert.match(since ?? "", /^\d+\.\d+$/);
  }
  const filters = helpers.find(({ type }) => type === "socket_filter");
  assert.ok(filters!.available.includes("map_lookup_elem"));
  assert.not(filters!.available.includes("xdp_adjust_head"));
  assert.equal(filters!.unknown, []);
  assert.equal(skippedHelpers, [...noisyHelpers]);
  assert.not(filters!.available.includes("trace_printk"));
});

test("text: a table of each, and lists of helpers when they are asked for", () => {
  const yes = { state: "supported", code: null, reason: null, since: "4.8" } as const;
  const no = { state: "unsupported", code: "EINVAL", reason: "not known", since: "7.2" } as const;
  const all: Report = {
    kernel: "6.12.0-1",
    programTypes: [{ type: "xdp", typeId: 6, ...yes }],
    mapTypes: [{ type: "rhash", typeId: 35, ...no }],
    mapFlags: [{ flag: "mmapable", value: 1024, ...yes }],
    features: [{ name: "bounded_loops", description: "loops that end", ...yes }],
    helpers: [
      { type: "xdp", typeId: 6, available: ["redirect"], unknown: [], reason: null },
      { type: "ext", typeId: 28, available: [], unknown: ["redirect"], reason: "who knows" },
    ],
    skippedHelpers: [],
  };
  const text = reportText(all, false);
  assert.match(text, /^Linux 6\.12\.0-1\n\nPROGRAM TYPE {2,}SINCE\nxdp +yes {2}4\.8\n\n/);
  assert.match(text, /^rhash +no {2,}7\.2 {2,}not known \(EINVAL\)$/m);
  assert.match(text, /^bounded_loops +yes {2}4\.8 +loops that end$/m);
  assert.match(text, /^xdp +1\next +0 +1 unknown: who knows\n$/m);
  assert.match(
    reportText(all, true),
    /^helpers of xdp\n {2}redirect\n\nhelpers of ext\n {2}1 unk/m,
  );
});

bpftoolTest(test, "the answers are bpftool's, but for what its libbpf misreads", async () => {
  const theirs = bpftool("feature", "probe", "kernel") as Probes;
  const known = bpftool("feature", "list_builtins", "helpers") as string[];
  const found = compareFeatures(await report(), theirs, known, (pairs) =>
    pairs.map(({ typeId, helperId }) => {
      const { state, reason } = haveHelper(typeId as ProgramType, helperId);
      return state !== "unsupported" || !reason.includes("cannot call");
    }),
  );
  assert.equal(found.differences, []);
  const { programTypes, mapTypes, helpers, features } = found;
  assert.ok(programTypes >= 30 && mapTypes >= 30 && features >= 3, JSON.stringify(found));
  assert.ok(helpers > 1000, String(helpers));
});

test("differences from bpftool are seen, and told from what is explained", () => {
  const yes = { state: "supported", code: null, reason: null, since: null } as const;
  const no = { state: "unsupported", code: "EINVAL", reason: "not known", since: null } as const;
  const ours: Report = {
    kernel: "6.12.0-1",
    programTypes: [
      { type: "xdp", typeId: ProgramType.XDP, ...yes },
      { type: "netfilter", typeId: ProgramType.NETFILTER, ...yes },
    ],
    mapTypes: [{ type: "hash", typeId: MapType.HASH, ...no }],
    mapFlags: [],
    features: [],
    helpers: [
      { type: "xdp", typeId: ProgramType.XDP, available: ["redirect"], unknown: [], reason: null },
    ],
    skippedHelpers: [],
  };
  const helpers = ["bpf_map_lookup_elem", "bpf_ktime_get_ns", "bpf_redirect"];
  const theirs: Probes = {
    program_types: { have_xdp_prog_type: true, have_other_prog_type: true },
    map_types: { have_hash_map_type: true },
    helpers: { xdp_available_helpers: helpers },
    misc: {},
  };
  const { differences, explained } = compareFeatures(ours, theirs, helpers, (pairs) =>
    pairs.map(({ helperId }) => helperId === Helper.ktime_get_ns),
  );
  assert.equal(differences, [
    "bpftool knows have_other_prog_type, we do not",
    "have_hash_map_type: ours unsupported (EINVAL: not known), bpftool true",
    "xdp: ktime_get_ns is among bpftool's, not among ours",
  ]);
  assert.equal([...explained.values()], [1, 1]);
  // Verifiers before 6.10 are read by all.
  const older = compareFeatures({ ...ours, kernel: "6.1.0" }, theirs, helpers, () => []);
  assert.is(older.differences.length, 4);
  // A helper that bpftool knows and does not find is not younger than it.
  const more = compareFeatures(
    { ...ours, helpers: [{ ...ours.helpers[0]!, available: ["redirect", "xdp_output"] }] },
    theirs,
    [...helpers, "bpf_xdp_output"],
    (pairs) => pairs.map(() => false),
  );
  assert.equal(more.differences.slice(2), ["xdp: xdp_output is among ours, not among bpftool's"]);
});

test("misuse is refused by name", () => {
  const unknown = ebpf(["features", "--jsn"]);
  assert.is(unknown.code, 2);
  assert.match(unknown.stderr, /there is no option --jsn.*--json/);
  const argument = ebpf(["features", "kernel"]);
  assert.is(argument.code, 2);
  assert.match(argument.stderr, /takes no arguments/);
});

test.run();
