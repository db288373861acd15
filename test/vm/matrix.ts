/**
 * The kernels of the matrix: which release series, for which processor, from which of Debian's suites.
 *
 * Data only; `kernel.ts` finds the newest package of a series and fetches it, `build.ts` compiles what Debian has no package of.
 *
 * @module
 */

/** A processor, by Node's name for it. */
export type Arch = "x64" | "arm64";

/** One row of the matrix. */
export interface Kernel {
  /** As it is named on the command line and in the table. */
  name: string;
  /** The first two numbers of its release. */
  series: string;
  arch: Arch;
  /** Suites that have it, the preferred one first. */
  suites: readonly string[];
  /** Debian's kernels for virtual machines, or those for machines, which have drivers of more devices. */
  flavour: "cloud" | "generic";
  /** Folders of modules that its guests have besides those of networks. */
  drivers?: readonly string[];
  /** A file beside this one with options of a kernel that is compiled from Debian's sources, only when it is named. */
  built?: string;
  /** Of a kernel that is there for what the others lack: the test files that it runs, by a part of their path, unless it is named. */
  tests?: string;
  /** Whether it runs unless others are named. */
  isDefault: boolean;
  /** Whether the archive may drop the series any day, which then fails no run that does not name it. */
  mayVanish: boolean;
}

function x64(series: string, suites: string[], more: Partial<Kernel> = {}): Kernel {
  return {
    ...{ name: series, series, arch: "x64", flavour: "cloud", suites },
    ...{ isDefault: false, mayVanish: true, ...more },
  };
}

const BACKPORTS = ["trixie-backports", "sid"];
const STABLE = ["trixie-security", "bookworm-security"];

/** All kernels, oldest first. */
export const KERNELS: readonly Kernel[] = [
  x64("5.10", ["bullseye-security"], { isDefault: true }),
  x64("6.1", ["bookworm-security"], { isDefault: true, mayVanish: false }),
  x64("6.12", STABLE, { isDefault: true, mayVanish: false }),
  // Debian has `CONFIG_RC_CORE=m` everywhere, which leaves out programs of remote controls.
  x64("6.12", STABLE, { name: "6.12-lirc", built: "lirc.config", tests: "links/lirc" }),
  x64("6.16", BACKPORTS),
  x64("6.17", BACKPORTS),
  x64("6.18", BACKPORTS, { isDefault: true }),
  x64("6.18", BACKPORTS, {
    name: "6.18-generic",
    flavour: "generic",
    drivers: ["kernel/drivers/hid"],
    tests: "load/hid",
    isDefault: true,
  }),
  x64("6.19", BACKPORTS),
  x64("7.0", BACKPORTS),
  x64("7.2", BACKPORTS, { isDefault: true }),
  x64("7.3", BACKPORTS),
  {
    name: "6.12-arm64",
    series: "6.12",
    arch: "arm64",
    flavour: "cloud",
    suites: STABLE,
    isDefault: true,
    mayVanish: false,
  },
];

/**
 * The kernels that are named, or all but those to compile, or the default ones; with a filter of test files none that has tests of its own which
 * are others. Throws for a name that no kernel has.
 */
export function chooseKernels(
  names: readonly string[],
  extended: boolean,
  filter = "",
): readonly Kernel[] {
  if (names.length === 0) {
    return KERNELS.filter(
      ({ isDefault, built, tests = filter }) =>
        (isDefault || (extended && built === undefined)) && tests.includes(filter),
    );
  }
  for (const name of names) {
    if (!KERNELS.some((kernel) => kernel.name === name)) {
      const known = KERNELS.map((kernel) => kernel.name).join(", ");
      throw new Error(`there is no kernel ${name} in the matrix; it has ${known}`);
    }
  }
  return KERNELS.filter(({ name }) => names.includes(name));
}
