import { suite } from "uvu";
import * as assert from "uvu/assert";
import { findMirrors } from "./apt.ts";
import { machineCommand } from "./machine.ts";
import { findProgram, loadedBy } from "./userland.ts";

const test = suite("vm/hosts");

test("the mirrors of Debian among other sources", () => {
  const targets = [
    "https://packages.example/apt/ cloud-sdk-bookworm",
    "http://mirror.example/debian/ bookworm",
    "http://mirror.example/debian/ bookworm-updates",
    "http://security.example/debian-security/ bookworm-security",
    "",
  ].join("\n");
  assert.equal(findMirrors(targets), {
    main: "http://mirror.example/debian/",
    security: "http://security.example/debian-security/",
  });
  assert.throws(() => findMirrors("http://x/ubuntu/ noble\n"), /apt's sources name no mirror/);
  assert.throws(() => findMirrors(""), /apt's sources name no mirror/);
});

test("libraries in the output of ldd", () => {
  const output = [
    "\tlinux-vdso.so.1 (0x00007f4dfc116000)",
    "\tlibc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x00007f4dfbbfc000)",
    "\tlibmissing.so => not found",
    "\t/lib64/ld-linux-x86-64.so.2 (0x00007f4dfc118000)",
  ].join("\n");
  assert.equal(loadedBy(output), [
    "/lib/x86_64-linux-gnu/libc.so.6",
    "/lib64/ld-linux-x86-64.so.2",
  ]);
  assert.equal(loadedBy("\tnot a dynamic executable\n"), []);
});

test("programs of the host are found by name and by path", () => {
  assert.match(findProgram("sh"), /\/sh$/);
  assert.is(findProgram(process.execPath), process.execPath);
  assert.throws(() => findProgram("no-such-program"), /no program no-such-program to give/);
  assert.throws(() => findProgram("/no/such/program"), /no program \/no\/such\/program to give/);
});

test("a machine has its kernel, its file system and two serial lines, and no network", () => {
  for (const arch of ["x64", "arm64"] as const) {
    const { program, args } = machineCommand({
      arch,
      kernel: "/k",
      initrd: "/i",
      consoleLog: "/log",
      nonce: "abc",
    });
    assert.match(program, /^qemu-system-/);
    const after = (flag: string): string | undefined => args[args.indexOf(flag) + 1];
    assert.equal([after("-kernel"), after("-initrd")], ["/k", "/i"]);
    assert.match(after("-append") ?? "", /lsm=\S*\bbpf\b.* vm\.serial=tty\w+ vm\.nonce=abc$/);
    assert.ok(args.includes("-nodefaults") && args.includes("-no-reboot"));
  }
});

test.run();
