/**
 * Loads koffi, by the short way where that is clear.
 *
 * koffi reads the executable of the process to learn which C library it has, and five modules on its way to one of its
 * binaries: 4.3 ms, of which the binary takes 0.9. A process that loads one small object lives for 60.
 *
 * @module
 */

import { existsSync, realpathSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

/** The versions whose binaries are known to lie where they are sought: those that package.json allows. */
const KNOWN_VERSION = /^3\.3\./;

/** The loader of musl, by the architectures for which there are binaries for other C libraries as well. */
const MUSL_LOADERS: Readonly<Record<string, string>> = {
  x64: "/lib/ld-musl-x86_64.so.1",
  arm64: "/lib/ld-musl-aarch64.so.1",
};

/** What {@link shortWay} goes by; tests put in others. */
export interface KoffiPlace {
  readonly platform: string;
  readonly architecture: string;
  /** The URL of the module that needs koffi. */
  readonly from: string;
  readonly exists: (path: string) => boolean;
}

/** What `require("koffi")` gives in the module at the URL `from`, or throws. */
export function requireKoffi(from: string): unknown {
  const require = createRequire(from);
  const { platform, arch: architecture } = process;
  const path = shortWay({ platform, architecture, from, exists: existsSync });
  return (path && requireBinary(path, require)) ?? require("koffi");
}

/** The path of koffi's binary; undefined where koffi is to find it, or to say what is missing. */
export function shortWay({ platform, architecture, from, exists }: KoffiPlace): string | undefined {
  const musl = MUSL_LOADERS[architecture];
  // With that loader the process may be of either sort.
  if (platform !== "linux" || musl === undefined || exists(musl)) return undefined;
  let folder = dirname(fileURLToPath(from));
  while (!exists(join(folder, "node_modules/koffi"))) {
    const above = dirname(folder);
    if (above === folder) return undefined;
    folder = above;
  }
  // Its binaries are packages beside it; some package managers link to where that is.
  const modules = dirname(realpathSync.native(join(folder, "node_modules/koffi")));
  const binary = `@koromix/koffi-linux-${architecture}/linux_${architecture}/koffi.node`;
  const path = join(modules, binary);
  return exists(path) ? path : undefined;
}

function requireBinary(path: string, require: (path: string) => unknown): unknown {
  try {
    const koffi = require(path) as { readonly version?: unknown };
    return KNOWN_VERSION.test(String(koffi.version)) ? koffi : undefined;
  } catch {
    // koffi says better what is wrong.
    return undefined;
  }
}
