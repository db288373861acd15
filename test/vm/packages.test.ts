import * as fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import {
  chooseKernel,
  compareVersions,
  KERNEL_PACKAGES,
  newest,
  type Package,
  parsePackages,
} from "./packages.ts";

const test = suite("vm/packages");
const SUM = "ab".repeat(32);

function entry(name: string, version: string, size = 20_000_000): Package {
  return { name, version, file: `pool/${name}_${version}.deb`, size, sha256: SUM };
}

test("a flavour is not taken for another", () => {
  const version = "6.18.15-1~bpo13+1";
  const names = ["amd64", "cloud-amd64", "rt-amd64", "amd64-dbg", "amd64-unsigned"];
  const packages = names.map((name) => entry(`linux-image-6.18.15+deb13-${name}`, version));
  assert.is(chooseKernel(packages, "6.18", "amd64", "generic")?.release, "6.18.15+deb13-amd64");
  assert.is(chooseKernel(packages, "6.18", "amd64")?.release, "6.18.15+deb13-cloud-amd64");
  const old = ["amd64", "cloud-amd64", "rt-amd64"];
  const numbered = old.map((name) => entry(`linux-image-6.1.0-56-${name}`, "6.1.192-2"));
  assert.is(chooseKernel(numbered, "6.1", "amd64", "generic")?.release, "6.1.0-56-amd64");
});

test("stanzas of a package list, without those that nobody asked for", () => {
  const text = [
    "Package: linux-image-6.12.117+deb13-cloud-amd64",
    "Source: linux-signed-amd64 (6.12.117+1)",
    "Version: 6.12.117-1",
    "Depends: kmod, linux-base (>= 4.3~)",
    "Description: Linux 6.12 for x86-64 cloud (signed)",
    " Version: 9 in a continued line is no field",
    "Filename: pool/updates/main/l/linux-signed-amd64/linux-image_6.12.117-1_amd64.deb",
    "Size: 34307256",
    `SHA256: ${SUM}`,
    "",
    "Package: firefox-esr",
    "Version: 140",
    "Filename: pool/f.deb",
    "Size: 1",
    `SHA256: ${SUM}`,
    "",
    "",
    "Package: linux-base-7.2.12+deb13-cloud-amd64",
    "Version: 7.2.12-1",
    "Filename: pool/b.deb",
    "Size: 1037368",
    `SHA256: ${SUM}`,
    "",
  ].join("\n");
  assert.equal(parsePackages(text, KERNEL_PACKAGES), [
    {
      name: "linux-image-6.12.117+deb13-cloud-amd64",
      version: "6.12.117-1",
      file: "pool/updates/main/l/linux-signed-amd64/linux-image_6.12.117-1_amd64.deb",
      size: 34307256,
      sha256: SUM,
    },
    {
      name: "linux-base-7.2.12+deb13-cloud-amd64",
      version: "7.2.12-1",
      file: "pool/b.deb",
      size: 1037368,
      sha256: SUM,
    },
  ]);
});

test("a stanza without a sum, a size or a file is none", () => {
  const fields = [
    "Package: linux-image-6.1.0-1-cloud-amd64",
    "Version: 1",
    "Filename: f",
    "Size: 9",
    `SHA256: ${SUM}`,
  ];
  assert.is(parsePackages(fields.join("\n"), KERNEL_PACKAGES).length, 1);
  for (let left = 0; left < fields.length; left++) {
    const text = fields.filter((_, index) => index !== left).join("\n");
    assert.equal(parsePackages(text, KERNEL_PACKAGES), [], `without ${fields[left]}`);
  }
  const short = fields.join("\n").replace(SUM, "ab");
  assert.equal(parsePackages(short, KERNEL_PACKAGES), []);
});

test("versions are ordered as dpkg orders them", () => {
  const ascending = [
    "5.10.262-1~bpo9",
    "5.10.262-1",
    "5.10.262-1+b1",
    "5.10.262-2",
    "6.1.99-1",
    "6.1.192-2",
    "6.12.90+deb13-1",
    "6.12.90+deb13.1-1",
    "6.12.115-1",
    "7.2~rc7-1~exp1",
    "7.2-1~exp1",
    "7.2-1",
    "7.2.12-1~bpo13+1",
    "7.2.12-1",
    "1:1.0-1",
  ];
  for (const [i, a] of ascending.entries()) {
    for (const [j, b] of ascending.entries()) {
      assert.is(Math.sign(compareVersions(a, b)), Math.sign(i - j), `${a} and ${b}`);
    }
  }
  assert.is(compareVersions("1.0", "1.00"), 0);
  assert.is(compareVersions("0:1.0", "1.0-"), 0);
});

test("property: the order of versions is an order", () => {
  const version = fc.stringMatching(/^[0-9][0-9a-z.+~-]{0,8}$/);
  fc.assert(
    fc.property(version, version, version, (a, b, c) => {
      assert.is(Math.sign(compareVersions(a, b)), -Math.sign(compareVersions(b, a)) + 0);
      if (compareVersions(a, b) <= 0 && compareVersions(b, c) <= 0) {
        assert.ok(compareVersions(a, c) <= 0);
      }
    }),
  );
});

test("the newest kernel of a series, signed, and no metapackage", () => {
  const chosen = chooseKernel(
    [
      entry("linux-image-6.12-cloud-amd64", "6.12.117-1", 1500),
      entry("linux-image-6.12.90+deb13-cloud-amd64", "6.12.90-1"),
      entry("linux-image-6.12.117+deb13-cloud-amd64-unsigned", "6.12.117-1"),
      entry("linux-image-6.12.117+deb13-cloud-amd64", "6.12.117-1"),
      entry("linux-image-6.12.117+deb13-cloud-amd64-dbg", "6.12.117-1", 900_000_000),
      entry("linux-image-6.12.118+deb13-amd64", "6.12.118-1"),
      entry("linux-image-6.12.118+deb13-cloud-arm64", "6.12.118-1"),
      entry("linux-image-6.1.0-56-cloud-amd64", "6.1.192-2"),
    ],
    "6.12",
    "amd64",
  );
  assert.is(chosen?.release, "6.12.117+deb13-cloud-amd64");
  assert.is(chosen?.version, "6.12.117-1");
  assert.equal(
    chosen?.packages.map(({ name }) => name),
    ["linux-image-6.12.117+deb13-cloud-amd64"],
  );
});

test("a rebuilt kernel of the same name is newer", () => {
  const name = "linux-image-6.1.0-56-cloud-amd64";
  const chosen = chooseKernel([entry(name, "6.1.192-1"), entry(name, "6.1.192-2")], "6.1", "amd64");
  assert.is(chosen?.packages[0]?.version, "6.1.192-2");
});

test("a kernel in parts takes the partners of its version that the list has", () => {
  const release = "7.2.12+deb13-cloud-amd64";
  const image = entry(`linux-binary-${release}`, "7.2.12-1");
  const modules = entry(`linux-modules-${release}`, "7.2.12-1");
  const base = entry(`linux-base-${release}`, "7.2.12-1", 1_000_000);
  const shell = entry(`linux-image-${release}`, "7.2.12-1", 2000);
  const all = chooseKernel([shell, base, modules, image], "7.2", "amd64");
  assert.equal(all?.packages, [image, modules, base]);
  assert.is(all?.release, release);
  const alone = chooseKernel([image, entry(modules.name, "7.2.11-1")], "7.2", "amd64");
  assert.equal(alone?.packages, [image]);
  const unsigned = chooseKernel(
    [entry("linux-binary-unsigned-7.3.4+deb13-cloud-amd64", "7.3.4-1")],
    "7.3",
    "amd64",
  );
  assert.is(unsigned?.release, "7.3.4+deb13-cloud-amd64");
});

test("a series that is not there is undefined; 6.1 is not 6.12, and a dot is a dot", () => {
  const packages = [
    entry("linux-image-6.12.1-cloud-amd64", "6.12.1-1"),
    entry("linux-image-6x1.1-cloud-amd64", "6.1-1"),
  ];
  assert.is(chooseKernel(packages, "6.1", "amd64"), undefined);
  assert.is(chooseKernel([], "6.1", "amd64"), undefined);
});

test("the newest package of a name", () => {
  const packages = [entry("libc6", "2.41-9"), entry("libc6", "2.41-12"), entry("libc6-dev", "3")];
  assert.is(newest(packages, "libc6")?.version, "2.41-12");
  assert.is(newest(packages, "libm"), undefined);
});

test.run();
