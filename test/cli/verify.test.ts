import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { ebpf } from "../helper/cli.ts";
import { fixturePath } from "../helper/fixtures.ts";
import { ebpfHere } from "../helper/in-process.ts";
import { kernelTest } from "../helper/kernel.ts";

const verify = suite("cli: verify");

interface Row {
  name: string;
  section: string;
  type: string;
  verdict: string;
  code: string | null;
  message: string | null;
  instructions: number;
  verifiedInstructions: number | null;
  loadTimeMs: number;
  log: string[];
  kind?: string;
  source?: { file: string; line: number; text: string } | null;
  hint?: string | null;
}

interface Report {
  file: string;
  kernel: string;
  programs: Row[];
  maps: Row[];
}

async function report(args: readonly string[]): Promise<{ code: number | null; report: Report }> {
  const { code, stdout, stderr } = await ebpfHere(["verify", "--json", ...args]);
  assert.is(stderr, "");
  return { code, report: JSON.parse(stdout) as Report };
}

kernelTest(
  verify,
  "--json: a verdict for every program and map; one refusal hides no other",
  async () => {
    const file = fixturePath("verifier/core.el.o");
    const { code, report: found } = await report([file]);
    assert.is(code, 1);
    assert.is(found.file, file);
    assert.match(found.kernel, /^\d+\.\d+/);
    const verdicts = Object.fromEntries(found.programs.map((row) => [row.name, row.verdict]));
    assert.equal(verdicts, {
      member_missing: "rejected",
      type_missing: "rejected",
      enumerator_missing: "rejected",
      member_read_directly: "rejected",
      member_guarded: "ok",
      type_guarded: "ok",
      enumerator_guarded: "ok",
    });
    assert.equal(
      found.maps.map(({ name, verdict, code: why, message }) => [name, verdict, why, message]),
      [[".bss", "ok", null, null]],
    );
    const missing = found.programs[0]!;
    assert.is(missing.section, "raw_tp/sched_process_exec");
    assert.is(missing.type, "raw_tracepoint");
    assert.is(missing.code, "EINVAL");
    assert.match(
      missing.message ?? "",
      /^the verifier refused program member_missing: this kernel has/,
    );
    assert.is(missing.kind, "kernel-lacks");
    assert.match(missing.source?.text ?? "", /BPF_CORE_READ\(task, no_such_member\)/);
    assert.is(missing.instructions, 15);
    assert.is(missing.verifiedInstructions, 1);
    assert.ok(missing.log.length > 1 && missing.log.length <= 20);
    const good = found.programs.find(({ name }) => name === "type_guarded")!;
    assert.is(good.code, null);
    assert.is(good.message, null);
    assert.equal(good.log, []);
    assert.ok(good.loadTimeMs > 0);
  },
);

kernelTest(verify, "an object that loads: exit code 0, a table", async () => {
  const { code, stdout, stderr } = await ebpfHere(["verify", fixturePath("raw-tracepoint.el.o")]);
  assert.is(code, 0, stdout + stderr);
  assert.match(stdout, /^program +section +verdict +instructions +verified +time$/m);
  assert.match(stdout, /raw_tp\/sys_enter +ok +\d+/);
});

kernelTest(
  verify,
  "text: the line, the verifier's words and what helps, below the table",
  async () => {
    const { code, stdout } = await ebpfHere(["verify", fixturePath("verifier/license.el.o")]);
    assert.is(code, 1);
    assert.match(
      stdout,
      /^helper_for_gpl: bpf_probe_read_kernel is only for programs under the GPL.*\n {2}at license\.bpf\.c:\d+: bpf_probe_read_kernel\(.*\n {2}instruction 4: call bpf_probe_read_kernel#113\n {2}in the verifier's words: cannot call GPL.*\n {2}what helps: char LICENSE/m,
    );
    assert.not.match(stdout, /processed \d+ insns/);
  },
);

kernelTest(verify, "--log: all of it, of programs that load, too", async () => {
  const file = fixturePath("verifier/license.el.o");
  const { stdout } = await ebpfHere(["verify", "--log", file]);
  assert.match(stdout, /^ {4}4: \(85\) call bpf_probe_read_kernel#113$/m);
  assert.match(stdout, /^ {4}processed \d+ insns/m);
  const { report: found } = await report(["--log", fixturePath("raw-tracepoint.el.o")]);
  for (const { name, verdict, log, verifiedInstructions } of found.programs) {
    assert.is(verdict, "ok");
    assert.ok(
      log.some((line) => /^\d+: \(/.test(line)),
      name,
    );
    assert.ok((verifiedInstructions ?? 0) > 0);
  }
});

kernelTest(
  verify,
  "programs whose section tells no type are skipped, sections with ? are not",
  async () => {
    const { report: unknown } = await report([fixturePath("unknown-sections.el.o")]);
    const skipped = unknown.programs.filter(({ verdict }) => verdict === "skipped");
    assert.ok(skipped.length > 0);
    assert.match(skipped[0]?.message ?? "", /^section \S+ does not tell the program's type$/);
    const { code, report: rejected } = await report([fixturePath("verifier/naked.el.o")]);
    assert.is(code, 1);
    assert.ok(rejected.programs.every(({ verdict }) => verdict === "rejected"));
  },
);

kernelTest(
  verify,
  "a map that cannot be made is listed, with the programs that use it",
  async () => {
    const { code, report: found } = await report([fixturePath("map-keys.el.o")]);
    assert.is(code, 1);
    const map = found.maps.find(({ name }) => name === "unsized");
    assert.is(map?.verdict, "error");
    assert.match(map?.message ?? "", /unsized/);
    assert.ok(found.maps.some(({ verdict }) => verdict === "ok"));
  },
);

kernelTest(verify, "nothing is pinned, and a constant can be set", async () => {
  const before = readdirSync("/sys/fs/bpf");
  const { report: found } = await report(["--set", "limit=7", fixturePath("verifier/memory.el.o")]);
  assert.is(found.programs.length, 21);
  assert.equal(readdirSync("/sys/fs/bpf"), before);
  const wrong = await ebpfHere([
    "verify",
    "--set",
    "limits=7",
    fixturePath("verifier/memory.el.o"),
  ]);
  assert.is(wrong.code, 2);
  assert.match(wrong.stderr, /no variable limits; did you mean "limit"/);
  // Of several objects, each takes what it has; misuse is said before anything is loaded.
  const files = [fixturePath("no-license.el.o"), fixturePath("verifier/memory.el.o")];
  const several = await ebpfHere(["verify", "--json", "--set", "limit=7", ...files]);
  assert.is(several.code, 1, several.stderr);
  assert.is(JSON.parse(several.stdout).length, 2);
  const none = await ebpfHere(["verify", "--json", "--set", "limits=7", ...files]);
  assert.equal([none.code, none.stdout], [2, ""]);
  assert.match(none.stderr, /no object has a variable limits; did you mean "limit"/);
});

verify("what is no object, and what is misused", () => {
  const folder = mkdtempSync(join(tmpdir(), "ebpf-test-"));
  try {
    const file = join(folder, "x.o");
    writeFileSync(file, "nothing");
    const { code, stdout, stderr } = ebpf(["verify", "--json", file]);
    assert.is(code, 1);
    assert.is(stdout, "");
    assert.match(stderr, /^ebpf verify: .*x\.o: [^\n]+\n$/);
    const both = ebpf(["verify", "--json", file, file]);
    assert.is(both.code, 1);
    assert.equal(
      (JSON.parse(both.stdout) as { file: string }[]).map((entry) => entry.file),
      [file, file],
    );
  } finally {
    rmSync(folder, { recursive: true });
  }
  assert.is(ebpf(["verify"]).code, 2);
  assert.is(ebpf(["verify", "--loud"]).code, 2);
  assert.is(ebpf(["verify", "--help"]).code, 0);
});

verify.run();
