/**
 * What is said in a user namespace that is not the first: that its capabilities do not count, and what would help.
 */
import { spawnSync } from "node:child_process";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { isFirstUserNamespace } from "../../src/sys/user-namespace.ts";
import { fixturePath } from "../helper/fixtures.ts";
import { hostTest } from "../helper/kernel.ts";
import { SLOWNESS } from "../helper/slowness.ts";

const test = suite("sys/user-namespace");
const UNSHARE = ["--user", "--map-root-user"];

/** Tries one after the other, and prints what each said. */
const SCRIPT = `
const [base, ...files] = process.argv.slice(1);
const modules = ["src/collection.js", "links/index.js"];
const [{ CollectionSpec }, links] = await Promise.all(modules.map((file) => import(base + file)));
const said = [
  ...files.map((file) => () => CollectionSpec.fromFile(file).loadSync()),
  () => [...links.listLinks()],
].map((attempt) => { try { attempt(); return "done"; } catch (error) { return error.message; } });
console.log(JSON.stringify(said));
`;

test("the first one maps all users to themselves", () => {
  assert.ok(isFirstUserNamespace("         0          0 4294967295\n"));
  for (const map of ["0 1000 1\n", "0 0 1\n", "0 0 65536\n65536 65536 4294901759\n", ""]) {
    assert.not.ok(isFirstUserNamespace(map), map);
  }
});

hostTest(
  test,
  "root of another one is told why maps, programs and lists are refused",
  () => {
    const base = new URL("../../", import.meta.url).href;
    const files = ["ringbuf.el.o", "minimal.el.o"].map(fixturePath);
    const script = [process.execPath, "--input-type=module", "-e", SCRIPT, base, ...files];
    const child = spawnSync("unshare", [...UNSHARE, ...script], {
      encoding: "utf8",
      timeout: 60_000 * SLOWNESS,
    });
    assert.is(child.status, 0, `${child.error ?? ""} ${child.stderr}`);
    const [map = "", program = "", list = ""] = JSON.parse(child.stdout) as string[];
    assert.match(
      map,
      /^create map records \(.*\): this process is in a user namespace, .* run it outside, with sudo, or with a BPF token .*\(Linux 6\.9\): EPERM/,
    );
    assert.match(program, /^load program pass \(this process is in a user namespace, .*: EPERM/);
    assert.match(
      list,
      /^list links after id 0 \(it needs CAP_SYS_ADMIN; this process is in a user /,
    );
  },
  {
    needs: "unshare --user",
    obstacle: () =>
      spawnSync("unshare", [...UNSHARE, "true"]).status === 0 ? undefined : "no user namespaces",
  },
);

test.run();
