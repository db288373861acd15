/**
 * The bpf(2) command that gives the kernel type information.
 *
 * @module
 */

import { cstring } from "../bytes.ts";
import { BtfError } from "../error.ts";
import { BTF_LOAD } from "./attr.ts";
import { bpfCall, bpfError } from "./bpf-call.ts";
import { TOKEN_FD } from "./bpf-map.ts";
import { FileDescriptor } from "./fd.ts";
import { withMemlock } from "./memlock.ts";
import { Struct } from "./struct.ts";

/** How `BPF_BTF_LOAD` is asked. */
export interface BtfLoadOptions {
  readonly logLevel?: number | undefined;
  /** Bytes. */
  readonly logSize?: number | undefined;
  /** A BPF token; sets `BPF_F_TOKEN_FD`. Linux 6.9. */
  readonly token?: FileDescriptor | undefined;
  /** For messages. Default `BTF`. */
  readonly what?: string | undefined;
}

/**
 * Gives the kernel type information. Throws SyscallError; without `logLevel` a refused blob is
 * offered once more to get the kernel's log, whose last line is in the message and the whole of
 * which is the message of `cause`, a BtfError.
 */
export function btfLoad(bytes: Uint8Array, options: BtfLoadOptions = {}): { fd: FileDescriptor } {
  const what = options.what ?? "BTF";
  const { logLevel = 0, logSize = 65_536 } = options;
  let attempt = tryBtfLoad(bytes, options, logLevel, logSize);
  if (attempt.result < 0 && logLevel === 0) attempt = tryBtfLoad(bytes, options, 1, logSize);
  if (attempt.result >= 0) return { fd: new FileDescriptor(attempt.result, what) };
  const { log } = attempt;
  const last = log.trimEnd().split("\n").at(-1) ?? "";
  const error = bpfError("BTF_LOAD", -attempt.result, `load ${what}${last && ` (${last})`}`);
  if (log !== "") error.cause = new BtfError(log);
  throw error;
}

function tryBtfLoad(
  bytes: Uint8Array,
  options: BtfLoadOptions,
  logLevel: number,
  logSize: number,
): { result: number; log: string } {
  const logBytes = logLevel === 0 ? undefined : new Uint8Array(new ArrayBuffer(logSize));
  const attr = new Struct(BTF_LOAD)
    .point("btf", bytes)
    .set("btf_size", bytes.length)
    .set("btf_log_level", logLevel)
    .set("btf_log_size", logBytes?.length)
    .point("btf_log_buf", logBytes)
    .set("btf_flags", options.token === undefined ? 0 : TOKEN_FD)
    .set("btf_token_fd", options.token?.number);
  const result = withMemlock(() => bpfCall("BTF_LOAD", attr));
  return { result, log: logBytes === undefined ? "" : cstring(logBytes) };
}
