/**
 * BPF tokens: the right to load, given by whoever mounted a BPF file system, to a process in a user namespace that has none of its
 * own. Objects find one by themselves where libbpf does.
 *
 * @module
 */

import { BpfError, SyscallError, UnsupportedError } from "./error.ts";
import { tokenCreate } from "./sys/bpf.ts";
import { inBpfFileSystem, notThere, PIN_FOLDER } from "./sys/bpf-file-system.ts";
import type { FileDescriptor } from "./sys/fd.ts";
import { openDirectory } from "./sys/file.ts";

/** The right to do with BPF what a mounted BPF file system delegates, until it is closed. Linux 6.9. */
export class Token implements Disposable {
  /** @internal */
  readonly fd: FileDescriptor;
  /** Where the file system is mounted. */
  readonly path: string;

  /** @internal */
  constructor(fd: FileDescriptor, path: string) {
    this.fd = fd;
    this.path = path;
  }

  /** Lets go of the right; what was made by it stays. Closing twice does nothing. */
  close(): void {
    this.fd.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

const REASONS: Readonly<Record<string, string>> = {
  EOPNOTSUPP:
    "this process is in the first user namespace, where it takes capabilities and no token",
  ENOENT:
    "the file system delegates nothing: mount it with delegate_cmds, delegate_maps, delegate_progs, delegate_attachs",
  EPERM:
    "it takes CAP_BPF in the user namespace that the file system was mounted for, and a process in that namespace",
};

/**
 * Makes a token of the BPF file system that is mounted at `path`, `/sys/fs/bpf` by default, with options `delegate_cmds` and so on.
 * Linux 6.9.
 *
 * @throws UnsupportedError on older kernels; SyscallError with code `EOPNOTSUPP` in the first user namespace, `ENOENT` when nothing
 * is delegated, `EPERM`; BpfError with code `ERR_NOT_BPFFS` when something else is there.
 */
export function openToken(path: string = PIN_FOLDER): Token {
  return makeToken(path, path);
}

/** `name` is the path in messages. */
function makeToken(path: string, name: string): Token {
  const doing = `make a BPF token of ${name}`;
  const folder = openDirectory(path, `BPF file system ${name}`);
  try {
    return new Token(tokenCreate(folder), path);
  } catch (error) {
    if (!(error instanceof BpfError)) throw error;
    if (inBpfFileSystem(path) === false) throw notThere(path, doing, error);
    const { code } = error;
    if (!(error instanceof SyscallError)) throw error;
    const reason = REASONS[code];
    const { errno, syscall, command } = error;
    if (reason !== undefined) {
      throw new SyscallError(`${doing} (${reason})`, { errno, syscall, command, cause: error });
    }
    if (code !== "EINVAL") throw error;
    throw new UnsupportedError(`${doing}: this kernel has none, or ${path} is no root of a mount`, {
      feature: "BPF tokens",
      since: "6.9",
      cause: error,
    });
  } finally {
    folder.close();
  }
}

/** Names a BPF file system, of which a token must be had then; empty for none. As of libbpf. */
const PATH_VARIABLE = "LIBBPF_BPF_TOKEN_PATH";
/** A process that is in the first user namespace stays there. */
let isFirst = false;

/**
 * The token that an object is loaded with when nobody gives one: of the BPF file system that the environment variable
 * `LIBBPF_BPF_TOKEN_PATH` names, else of `/sys/fs/bpf` where that gives one. To be closed.
 *
 * @throws as {@link openToken}, where the variable names a path.
 * @internal
 */
export function findToken(): Token | undefined {
  const path = process.env[PATH_VARIABLE];
  if (path === "") return undefined;
  if (path !== undefined) return makeToken(path, `${path} (${PATH_VARIABLE})`);
  if (isFirst) return undefined;
  try {
    return openToken();
  } catch (error) {
    if (!(error instanceof BpfError)) throw error;
    isFirst = error.code === "EOPNOTSUPP";
    return undefined;
  }
}
