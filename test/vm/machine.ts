/**
 * The virtual machines: QEMU's arguments for each processor.
 *
 * Emulated even on hosts that could do better, so that a run is the same everywhere.
 *
 * @module
 */

import type { Arch } from "./matrix.ts";

/** What a machine is started with. */
export interface MachineInput {
  arch: Arch;
  kernel: string;
  initrd: string;
  /** Takes the kernel's log. */
  consoleLog: string;
  nonce: string;
}

interface Machine {
  program: string;
  args: readonly string[];
  /** The kernel's names of the first serial line, for its log, and of the second, for the command. */
  console: string;
  serial: string;
  /** Makes the second serial line. */
  serialArgs: readonly string[];
  parameters: readonly string[];
}

const MACHINES: Readonly<Record<Arch, Machine>> = {
  x64: {
    program: "qemu-system-x86_64",
    args: ["-M", "q35", "-cpu", "max"],
    console: "ttyS0",
    serial: "ttyS1",
    serialArgs: ["-serial", "chardev:command"],
    // With a clock that the kernel does not trust every reading of it is an exit to the emulator; the timer check misfires on busy hosts.
    parameters: ["tsc=reliable", "no_timer_check"],
  },
  arm64: {
    program: "qemu-system-aarch64",
    args: ["-M", "virt", "-cpu", "cortex-a72"],
    console: "ttyAMA0",
    serial: "ttyS0",
    serialArgs: ["-device", "pci-serial,chardev=command"],
    parameters: [],
  },
};

/** Of one guest: the initial file system alone is a quarter of it. */
const MEGABYTES = 1536;

/** The command line of a machine; the second serial line is its standard input and output. */
export function machineCommand(input: MachineInput): { program: string; args: string[] } {
  const { program, args, console, serial, serialArgs, parameters } = MACHINES[input.arch];
  const append = [
    `console=${console}`,
    "panic=-1",
    "oops=panic",
    "loglevel=4",
    "mitigations=off",
    "nokaslr",
    "cryptomgr.notests",
    "random.trust_cpu=on",
    // The second CPU is there and stays offline: two in one guest wait for each other whenever code is compiled, as Node does all the
    // time, and one that patches code of the kernel while the other runs it has made 6.12 panic (int3).
    "maxcpus=1",
    // Detaching waits for every CPU to come by, which takes uprobes a quarter of a second each.
    "rcupdate.rcu_expedited=1",
    // 5.10 leaves out bpf by default.
    "lsm=landlock,lockdown,yama,bpf",
    ...parameters,
    `vm.serial=${serial}`,
    `vm.nonce=${input.nonce}`,
  ];
  return {
    program,
    args: [
      ...args,
      ...["-accel", "tcg,thread=multi", "-smp", "2", "-m", String(MEGABYTES)],
      ...["-display", "none", "-vga", "none", "-nodefaults", "-no-reboot"],
      ...["-kernel", input.kernel, "-initrd", input.initrd, "-append", append.join(" ")],
      ...["-chardev", `file,id=console,path=${input.consoleLog}`, "-serial", "chardev:console"],
      ...["-chardev", "stdio,id=command,signal=off", ...serialArgs],
    ],
  };
}
