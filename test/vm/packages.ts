/**
 * Reads Debian's package lists and chooses the packages of a kernel series.
 *
 * Text in, choice out: nothing is fetched here.
 *
 * @module
 */

/** What a package list says of a package, as far as fetching it goes. */
export interface Package {
  name: string;
  version: string;
  /** Path below the mirror's base. */
  file: string;
  /** Bytes. */
  size: number;
  sha256: string;
}

/** The packages that make a kernel. */
export interface KernelPackages {
  /** What `uname -r` will say. */
  release: string;
  version: string;
  packages: Package[];
}

/** Metapackages and empty shells are smaller, kernels larger, whatever their names. */
const SMALLEST_KERNEL = 5_000_000;

/** The packages of a `Packages` file whose names match; stanzas that lack a field are left out. */
export function parsePackages(text: string, names: RegExp): Package[] {
  const packages: Package[] = [];
  for (const stanza of text.split(/\n\n+/)) {
    const field = (key: string): string =>
      new RegExp(`^${key}:[ \\t]*(.*)$`, "m").exec(stanza)?.[1]?.trim() ?? "";
    const name = field("Package");
    if (!names.test(name)) continue;
    const [version, file, sha256] = [field("Version"), field("Filename"), field("SHA256")];
    const size = Number(field("Size"));
    if (version === "" || file === "" || !/^[0-9a-f]{64}$/.test(sha256) || !(size > 0)) continue;
    packages.push({ name, version, file, size, sha256 });
  }
  return packages;
}

/** Names of the packages that {@link chooseKernel} chooses from. */
export const KERNEL_PACKAGES: RegExp = /^linux-(image|binary|binary-unsigned|modules|base)-\d/;

/**
 * The newest kernel of a series, such as `6.12`, in a flavour: the one for virtual machines, or the one for all.
 *
 * Until 6.18 a kernel is one package, `linux-image`. From 6.19 `linux-binary` has the image and two more have the rest, which the
 * lists may no longer know: they are taken where they are there in the same version.
 */
export function chooseKernel(
  packages: readonly Package[],
  series: string,
  debianArch: string,
  flavour: "cloud" | "generic" = "cloud",
): KernelPackages | undefined {
  const escaped = series.replaceAll(".", "\\.");
  // What is for all has no name: neither that one nor `rt`.
  const named = flavour === "cloud" ? ".*-cloud" : "(?:(?!-[a-z]).)*";
  const pattern = new RegExp(
    `^linux-(?:image|binary|binary-unsigned)-(${escaped}\\.${named}-${debianArch})(?:-unsigned)?$`,
  );
  const [best] = packages
    .filter(({ name, size }) => pattern.test(name) && size > SMALLEST_KERNEL)
    // Of a signed kernel and its unsigned twin, the signed one: its name is shorter.
    .sort((a, b) => compareVersions(b.version, a.version) || a.name.length - b.name.length);
  if (best === undefined) return undefined;
  const { version } = best;
  const release = pattern.exec(best.name)![1]!;
  const parts = best.name.startsWith("linux-binary")
    ? [`linux-modules-${release}`, `linux-base-${release}`]
    : [];
  const partners = parts.flatMap(
    (part) => packages.find(({ name, version: its }) => name === part && its === version) ?? [],
  );
  return { release, version, packages: [best, ...partners] };
}

/** The newest of the packages of that name. */
export function newest(packages: readonly Package[], name: string): Package | undefined {
  return packages
    .filter((item) => item.name === name)
    .sort((a, b) => compareVersions(b.version, a.version))[0];
}

/** Orders two Debian versions (deb-version(7)): below 0 when `a` is older. */
export function compareVersions(a: string, b: string): number {
  const [one, other] = [splitVersion(a), splitVersion(b)];
  return (
    one.epoch - other.epoch ||
    compareParts(one.upstream, other.upstream) ||
    compareParts(one.revision, other.revision)
  );
}

function splitVersion(text: string): { epoch: number; upstream: string; revision: string } {
  const [, epoch = "0", rest = ""] = /^(?:(\d+):)?(.*)$/s.exec(text) ?? [];
  const dash = rest.lastIndexOf("-");
  return dash === -1
    ? { epoch: Number(epoch), upstream: rest, revision: "" }
    : { epoch: Number(epoch), upstream: rest.slice(0, dash), revision: rest.slice(dash + 1) };
}

/** Runs without digits and numbers take turns; a missing number is 0. */
function compareParts(a: string, b: string): number {
  const [one, other] = [a, b].map((text) => [...text.matchAll(/(\D*)(\d*)/g)]) as [
    RegExpExecArray[],
    RegExpExecArray[],
  ];
  for (let i = 0; i < Math.max(one.length, other.length); i++) {
    const [, wordA = "", digitsA = ""] = one[i] ?? [];
    const [, wordB = "", digitsB = ""] = other[i] ?? [];
    const order = compareWords(wordA, wordB) || Number(digitsA) - Number(digitsB);
    if (order !== 0) return order;
  }
  return 0;
}

/** `~` is before the end, the end before letters, and letters before everything else. */
function compareWords(a: string, b: string): number {
  for (let i = 0; i < Math.max(a.length, b.length); i++) {
    const order = weight(a[i]) - weight(b[i]);
    if (order !== 0) return order;
  }
  return 0;
}

function weight(character: string | undefined): number {
  if (character === undefined) return 0;
  if (character === "~") return -1;
  return /[a-zA-Z]/.test(character) ? character.charCodeAt(0) : character.charCodeAt(0) + 256;
}
