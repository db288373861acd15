/**
 * Debian's archive, through apt itself: package lists with checked signatures, and files with checked sums.
 *
 * The mirror is the one that this machine's own sources name. Each list has an apt of its own in the cache, so that nothing of the
 * machine changes and no root is needed.
 *
 * @module
 */

import { mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { cacheFolder } from "./cache.ts";
import { capture } from "./command.ts";

const KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg";
const HELPER = "/usr/lib/apt/apt-helper";
const INDEX = "Created-By: Packages";

const lists = new Map<string, Promise<string>>();
let mirrors: { main: string; security: string } | undefined;

/** Where the files of a suite are. */
export async function mirrorOf(suite: string): Promise<string> {
  mirrors ??= findMirrors(
    await capture("apt-get", ["indextargets", "--format", "$(REPO_URI) $(RELEASE)", INDEX]),
  );
  return suite.endsWith("-security") ? mirrors.security : mirrors.main;
}

/** The two mirrors among lines of a base address and a release: Debian's are where `X` and `X-security` both are. */
export function findMirrors(targets: string): { main: string; security: string } {
  const sources = targets.split("\n").map((line) => line.split(" "));
  for (const [security, release = ""] of sources) {
    const plain = release.replace(/-security$/, "");
    const main = sources.find(([, other]) => other === plain)?.[0];
    if (security !== undefined && plain !== release && main !== undefined)
      return { main, security };
  }
  throw new Error(
    "apt's sources name no mirror of Debian and its security updates, from which the kernels come",
  );
}

/** The text of the package list of a suite, fetched once a run; throws when the mirror does not have it. */
export function packageList(suite: string, debianArch: string): Promise<string> {
  const name = `${suite}-${debianArch}`;
  const list = lists.get(name) ?? fetchList(suite, debianArch);
  lists.set(name, list);
  return list;
}

async function fetchList(suite: string, debianArch: string): Promise<string> {
  const root = join(cacheFolder, "apt", `${suite}-${debianArch}`);
  for (const folder of ["etc/apt/preferences.d", "lists/partial", "archives/partial"]) {
    mkdirSync(join(root, folder), { recursive: true });
  }
  const options = `arch=${debianArch} signed-by=${KEYRING}`;
  writeFileSync(join(root, "sources"), `deb [${options}] ${await mirrorOf(suite)} ${suite} main\n`);
  writeFileSync(join(root, "status"), "");
  // Without `Dir::Etc::main` and the like the machine's own settings would come in.
  const settings = {
    Dir: root,
    "Dir::State::lists": join(root, "lists"),
    "Dir::State::status": join(root, "status"),
    "Dir::Cache": root,
    "Dir::Etc::sourcelist": join(root, "sources"),
    "Dir::Etc::sourceparts": "/dev/null",
    "Dir::Etc::main": "/dev/null",
    "Dir::Etc::parts": "/dev/null",
    "APT::Architecture": debianArch,
    "APT::Architectures": debianArch,
    "APT::Sandbox::User": "",
    "Acquire::Languages": "none",
    "Acquire::GzipIndexes": "false",
    "APT::Update::Error-Mode": "any",
  };
  const file = join(root, "apt.conf");
  const lines = Object.entries(settings).map(([key, value]) => `${key} "${value}";\n`);
  writeFileSync(file, lines.join(""));
  const env = { APT_CONFIG: file };
  await capture("apt-get", ["update", "-qq"], { env });
  const path = await capture("apt-get", ["indextargets", "--format", "$(FILENAME)", INDEX], {
    env,
  });
  return readFileSync(path.trim(), "utf8");
}

/** Fetches a file of the archive to `path`, which it is given only once its sum is right. */
export async function fetchFile(url: string, sha256: string, path: string): Promise<void> {
  mkdirSync(dirname(path), { recursive: true });
  await capture(HELPER, ["download-file", url, `${path}.part`, `SHA256:${sha256}`]);
  renameSync(`${path}.part`, path);
}
