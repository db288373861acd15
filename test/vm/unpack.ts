/**
 * Takes out of Debian's kernel packages what guests need: the image, the configuration, and the modules that tests may want.
 *
 * Knows the three layouts: until 6.15 modules are in `lib`, later in `usr/lib`, and from 7.2 on image and configuration with them.
 *
 * @module
 */

import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  renameSync,
  rmSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { capture } from "./command.ts";

/** Folders of modules that tests may ask for; the rest is for hardware that no guest has. */
const MODULES = ["kernel/net", "kernel/lib", "kernel/crypto", "kernel/drivers/net"];
const HARDWARE = ["ethernet", "wireless", "wwan", "hyperv", "usb", "phy", "mdio"];

/** Unpacks into `folder`, which is there only once everything in it is. */
export async function unpackKernel(
  packages: readonly string[],
  release: string,
  folder: string,
  drivers: readonly string[] = [],
): Promise<void> {
  mkdirSync(dirname(folder), { recursive: true });
  const scratch = mkdtempSync(join(dirname(folder), ".new-"));
  try {
    const [all, kept] = [join(scratch, "all"), join(scratch, "kept")];
    mkdirSync(kept);
    for (const file of packages) await capture("dpkg-deb", ["-x", file, all]);
    const modules = ["usr/lib/modules", "lib/modules"]
      .map((path) => join(all, path, release))
      .find((path) => existsSync(path));
    for (const name of ["vmlinuz", "config"]) {
      const places = [join(all, "boot", `${name}-${release}`)];
      if (modules !== undefined)
        places.push(join(modules, name), join(modules, `${name}.unsigned`));
      const place = places.find((path) => existsSync(path));
      if (place !== undefined) renameSync(place, join(kept, name));
      else if (name === "vmlinuz") throw new Error(`the packages of ${release} have no image`);
    }
    if (modules !== undefined) await keepModules(modules, kept, release, drivers);
    renameSync(kept, folder);
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

async function keepModules(
  modules: string,
  target: string,
  release: string,
  drivers: readonly string[],
): Promise<void> {
  const kept = join(target, "lib/modules", release);
  mkdirSync(kept, { recursive: true });
  const filter = (path: string): boolean =>
    !HARDWARE.some((name) => path.endsWith(`/drivers/net/${name}`));
  for (const path of [...MODULES, ...drivers]) {
    const source = join(modules, path);
    if (existsSync(source)) cpSync(source, join(kept, path), { recursive: true, filter });
  }
  // With these modprobe knows what is built in.
  for (const name of readdirSync(modules)) {
    if (/^modules\.(builtin|order)/.test(name)) renameSync(join(modules, name), join(kept, name));
  }
  await capture("depmod", ["-b", target, release]);
}
