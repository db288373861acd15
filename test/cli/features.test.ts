import { suite } from "uvu";
import * as assert from "uvu/assert";
import { Helper } from "../../src/asm/index.ts";
import { type Answer, type Report, reportText } from "../../src/cli/features-text.ts";
import { haveHelper, noisyHelpers } from "../../src/features/index.ts";
import { MapType, ProgramType } from "../../src/uapi.ts";
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

interface Probes {
  program_types: Record<string, boolean>;
  map_types: Record<string, boolean>;
  helpers: Record<string, string[]>;
  misc: Record<string, boolean>;
}

/** As bpftool calls them. */
const MISC: Readonly<Record<string, string>> = {
  large_insn_limit: "large_programs",
  bounded_loops: "bounded_loops",
  v2_isa_extension: "isa_v2",
  v3_isa_extension: "isa_v3",
  v4_isa_extension: "isa_v4",
};

bpftoolTest(test, "the answers are bpftool's", async () => {
  const ours = await report();
  const theirs = bpftool("feature", "probe", "kernel") as Probes;
  let compared = 0;
  const compare = (what: string, there: boolean | undefined, { state, code }: Answer): void => {
    // Younger than bpftool.
    if (there === undefined) return;
    compared++;
    // bpftool takes a refusal for want of rights for a no.
    if (state === "unknown") assert.equal([there, code], [false, "EPERM"], what);
    else assert.is(state === "supported", there, what);
  };
  for (const one of ours.programTypes) {
    compare(one.type, theirs.program_types[`have_${one.type}_prog_type`], one);
  }
  for (const one of ours.mapTypes) {
    compare(one.type, theirs.map_types[`have_${one.type}_map_type`], one);
  }
  const named = new Map(ours.features.map((one) => [one.name, one]));
  for (const [name, there] of Object.entries(theirs.misc)) {
    const known = MISC[name.replace(/^have_/, "")];
    if (known !== undefined) compare(name, there, named.get(known)!);
  }
  assert.ok(compared >= 60, String(compared));
});

bpftoolTest(test, "the helpers are bpftool's, but for what its libbpf misreads", async () => {
  const ours = await report();
  const { helpers } = bpftool("feature", "probe", "kernel") as Probes;
  const listed = Object.values(helpers).flat();
  const youngest = Math.max(...listed.map((name) => idOf(name)));
  let compared = 0;
  for (const { type, typeId, available } of ours.helpers) {
    const theirs = helpers[`${type}_available_helpers`];
    if (theirs === undefined || theirs.length === 0) continue;
    const known = new Set(theirs.map((name) => name.replace(/^bpf_/, "")));
    for (const name of available) {
      compared++;
      assert.ok(known.has(name) || idOf(name) > youngest, `${type} may call ${name}`);
    }
    for (const name of known) {
      if (available.includes(name)) continue;
      // libbpf before 1.5 does not know how verifiers since 6.10 say this.
      const { state, reason } = haveHelper(typeId as ProgramType, name as keyof typeof Helper);
      assert.is(state, "unsupported", `${type}: ${name}`);
      assert.match(reason, "cannot call");
    }
  }
  assert.ok(compared > 1000, String(compared));
});

function idOf(name: string): number {
  return Helper[name.replace(/^bpf_/, "") as keyof typeof Helper] ?? 0;
}

test("misuse is refused by name", () => {
  const unknown = ebpf(["features", "--jsn"]);
  assert.is(unknown.code, 2);
  assert.match(unknown.stderr, /there is no option --jsn.*--json/);
  const argument = ebpf(["features", "kernel"]);
  assert.is(argument.code, 2);
  assert.match(argument.stderr, /takes no arguments/);
});

test.run();
