/**
 * The first program of a guest: a shell script that makes a usable system, runs one command, and reports how it ended.
 *
 * What it says to the host is described in `serial.ts`.
 *
 * @module
 */

import type { Archive } from "./cpio.ts";
import { GUEST_PROJECT } from "./project.ts";

/** Where the command may leave lines for the host. */
export const GUEST_RESULTS = "/vm/results";

const SCRIPT = `#!/bin/busybox sh
export PATH=/usr/sbin:/usr/bin:/sbin:/bin
/bin/busybox mount -t proc proc /proc
/bin/busybox --install -s
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
mkdir -p /dev/pts /dev/shm
mount -t devpts devpts /dev/pts
mount -t tmpfs tmpfs /dev/shm
ln -s /proc/self/fd /dev/fd
ln -s /proc/mounts /etc/mtab

for word in $(cat /proc/cmdline); do
  case $word in
    vm.serial=*) serial=/dev/\${word#*=} ;;
    vm.nonce=*) nonce=\${word#*=} ;;
  esac
done
# Else the terminal would turn each line feed into two characters.
stty -F $serial raw

ip link set lo up
# Loads the module of the BPF file system where that is one.
for pair in bpf:/sys/fs/bpf tracefs:/sys/kernel/tracing debugfs:/sys/kernel/debug \\
  securityfs:/sys/kernel/security cgroup2:/sys/fs/cgroup; do
  mount -t \${pair%%:*} \${pair%%:*} \${pair#*:} 2>/dev/null
done
hostname ebpf-vm

echo "$nonce:start" >$serial
cd ${GUEST_PROJECT}
env -i PATH=$PATH HOME=/root TMPDIR=/tmp TERM=dumb /bin/sh /vm/command </dev/null >$serial 2>&1
code=$?
{
  echo
  [ -f ${GUEST_RESULTS} ] && sed "s/^/$nonce:result:/" ${GUEST_RESULTS}
  echo "$nonce:end:$code"
} >$serial
# Waits until the line is empty, whoever still holds it.
stty -F $serial raw
poweroff -f
`;

/** Adds the script, and what it expects to be there. */
export function addInit(archive: Archive, command: string): void {
  for (const folder of [
    "proc",
    "sys",
    "dev",
    "run",
    "root",
    "bin",
    "sbin",
    "usr/bin",
    "usr/sbin",
  ]) {
    archive.folder(`/${folder}`);
  }
  archive.folder("/tmp", 0o1777);
  archive.folder("/var");
  archive.link("/var/tmp", "/tmp");
  archive.file(
    "/etc/passwd",
    "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534::/:/bin/false\n",
  );
  archive.file("/etc/group", "root:x:0:\nnogroup:x:65534:\n");
  archive.file("/etc/hosts", "127.0.0.1 localhost\n::1 localhost\n");
  archive.file("/init", SCRIPT, 0o755);
  archive.file("/vm/command", `${command}\n`);
}
