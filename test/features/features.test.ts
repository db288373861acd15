import { spawnSync } from "node:child_process";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { Helper, type HelperName } from "../../src/asm/index.ts";
import {
  describeFeature,
  type FeatureAnswer,
  type FeatureName,
  featureNames,
  forgetFeatures,
  haveFeature,
  haveHelper,
  haveMapFlag,
  haveMapType,
  haveProgramType,
  probedMapFlags,
} from "../../src/features/index.ts";
import { MapFlags, MapType, nameOf, ProgramType } from "../../src/uapi.ts";
import { isA } from "../helper/errors.ts";
import { isOlderThan, kernelTest } from "../helper/kernel.ts";
import { isConfigKnown, missingConfig } from "../helper/kernel-config.ts";
import { SLOWNESS } from "../helper/slowness.ts";
import { trampolineObstacle } from "../helper/trampolines.ts";

const test = suite("features");

/** What a kernel can be built without, by what is asked of it. */
const OPTIONS: Readonly<Record<string, string>> = {
  "program type lirc_mode2": "CONFIG_BPF_LIRC_MODE2",
  "program type lsm": "CONFIG_BPF_LSM",
  "program type netfilter": "CONFIG_NETFILTER_BPF_LINK",
  "map type inode_storage": "CONFIG_BPF_LSM",
  "map type xskmap": "CONFIG_XDP_SOCKETS",
  "feature kprobe_multi": "CONFIG_FPROBE",
  "feature kprobe_session": "CONFIG_FPROBE",
  "feature netkit": "CONFIG_NETKIT",
};

/** What the answer must be on a kernel that takes new things with the releases that Linux has them. */
function check(what: string, answer: FeatureAnswer): void {
  const { state, since, reason, code } = answer;
  const text = `${what}: ${state} ${code} ${reason}, since ${since}`;
  assert.type(since, "string", text);
  const option = OPTIONS[what];
  const isMissing = option !== undefined && missingConfig([option]).length > 0;
  // Where nothing tells what the kernel was built with, an option may be missing.
  const mayLack = option !== undefined && !isConfigKnown() && state !== "supported";
  const isExpected = !isOlderThan(since) && !isMissing && !mayLack;
  assert.is(state, isExpected ? "supported" : "unsupported", text);
  assert.is(reason === "", state === "supported", text);
}

/** Sandboxes forbid what only some programs do; then nobody knows. */
function checkTracing(what: string, answer: FeatureAnswer, obstacle: string | undefined): void {
  if (obstacle === undefined || answer.state !== "unknown") check(what, answer);
  else {
    assert.is(answer.code, "EPERM");
    assert.match(answer.reason, "sandbox");
  }
}

const TRACING: ReadonlySet<number> = new Set([
  ProgramType.TRACING,
  ProgramType.EXT,
  ProgramType.LSM,
]);

kernelTest(test, "program types are there from their release on", () => {
  const obstacle = trampolineObstacle();
  for (const type of Object.values(ProgramType)) {
    if (type === ProgramType.UNSPEC) continue;
    const what = `program type ${nameOf(ProgramType, type)}`;
    if (TRACING.has(type)) checkTracing(what, haveProgramType(type), obstacle);
    else check(what, haveProgramType(type));
  }
});

kernelTest(test, "map types and their flags are there from their release on", () => {
  for (const type of Object.values(MapType)) {
    if (type !== MapType.UNSPEC) check(`map type ${nameOf(MapType, type)}`, haveMapType(type));
  }
  for (const flag of probedMapFlags) {
    check(`map flag ${nameOf(MapFlags, flag)}`, haveMapFlag(flag));
  }
});

kernelTest(test, "features with a name are there from their release on", () => {
  const obstacle = trampolineObstacle();
  const tracing: ReadonlySet<string> = new Set(["fentry", "fsession"]);
  for (const name of featureNames) {
    assert.ok(describeFeature(name).length > 3);
    if (tracing.has(name)) checkTracing(`feature ${name}`, haveFeature(name), obstacle);
    else check(`feature ${name}`, haveFeature(name));
  }
});

kernelTest(test, "helpers: unknown ones are told from those of other program types", () => {
  const { KPROBE, SOCKET_FILTER, XDP } = ProgramType;
  const state = (type: ProgramType, name: HelperName) => haveHelper(type, name).state;
  // One that loads as it is, one whose arguments are missing, one that changes a packet.
  assert.is(state(SOCKET_FILTER, "ktime_get_ns"), "supported");
  assert.is(haveHelper(KPROBE, "map_lookup_elem").code, "EACCES");
  assert.is(state(XDP, "xdp_adjust_head"), "supported");
  const other = haveHelper(KPROBE, "xdp_adjust_head");
  assert.is(other.state, "unsupported");
  assert.match(other.reason, "programs of type kprobe cannot call xdp_adjust_head");
  assert.is(other.since, "4.10");
  const late = haveHelper(KPROBE, "cgrp_storage_get");
  assert.is(late.state, isOlderThan("6.2") ? "unsupported" : "supported");
  if (isOlderThan("6.2")) assert.match(late.reason, "the kernel has no helper cgrp_storage_get");
  assert.is(haveHelper(KPROBE, Helper.ringbuf_output).state, "supported");
  assert.is(state(ProgramType.STRUCT_OPS, "map_lookup_elem"), "unknown");
});

kernelTest(test, "helpers of tracing and LSM programs are tried at a function", () => {
  const obstacle = trampolineObstacle();
  for (const type of [ProgramType.TRACING, ProgramType.LSM]) {
    const isMissing = haveProgramType(type).state === "unsupported";
    const expected = isMissing ? "unsupported" : obstacle === undefined ? "supported" : "unknown";
    assert.is(haveHelper(type, "get_current_task").state, expected);
  }
});

kernelTest(test, "an answer is kept until all are forgotten", () => {
  const first = haveMapType(MapType.HASH);
  assert.is(haveMapType(MapType.HASH), first);
  forgetFeatures();
  assert.is.not(haveMapType(MapType.HASH), first);
  assert.equal(haveMapType(MapType.HASH), first);
});

/** Asked again by a process that may do nothing, or what anybody may. */
const CHILD = `
  const [features, uapi] = await Promise.all(process.argv.slice(1).map((path) => import(path)));
  const answers = {};
  for (const type of Object.values(uapi.ProgramType))
    if (type !== 0) answers["program " + type] = features.haveProgramType(type);
  for (const type of Object.values(uapi.MapType))
    if (type !== 0) answers["map " + type] = features.haveMapType(type);
  for (const name of features.featureNames) answers[name] = features.haveFeature(name);
  answers.helper = features.haveHelper(1, "map_lookup_elem");
  console.log(JSON.stringify(answers));
`;

kernelTest(test, "without privileges nothing is denied that is there", () => {
  const paths = ["../../src/features/index.js", "../../src/uapi.js"].map(
    (path) => new URL(path, import.meta.url).href,
  );
  const { stdout, stderr, status } = spawnSync(
    process.execPath,
    ["--input-type=module", "--eval", CHILD, ...paths],
    { encoding: "utf8", uid: 65_534, gid: 65_534, timeout: 60_000 * SLOWNESS },
  );
  assert.is(status, 0, stderr);
  const answers = JSON.parse(stdout) as Record<string, FeatureAnswer>;
  assert.ok(Object.keys(answers).length > 100);
  let unknown = 0;
  for (const [what, { state, reason }] of Object.entries(answers)) {
    // What is found out by looking is not about privileges.
    if (what === "kernel_btf") continue;
    assert.is.not(state, "unsupported", `${what}: ${reason}`);
    if (state === "unknown") {
      unknown++;
      assert.ok(reason !== "", what);
    }
  }
  assert.ok(unknown > 60, `${unknown} unknown`);
});

test("what cannot be asked is refused by name", () => {
  assert.throws(() => haveProgramType(99 as ProgramType), /program type: 99 is none from 1 to/);
  assert.throws(() => haveMapType(0), /map type: 0 is none/);
  assert.throws(() => haveMapFlag(3), /3 is none of NO_PREALLOC/);
  assert.throws(
    () => haveFeature("bounded_loop" as FeatureName),
    /there is no "bounded_loop".*bounded_loops/,
  );
  assert.throws(() => haveHelper(ProgramType.KPROBE, "nothing" as HelperName), /there is no "noth/);
  assert.throws(() => haveHelper(ProgramType.KPROBE, 0), isA(RangeError));
});

test.run();
