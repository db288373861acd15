// The events of execsnoop as lines of a table.

/** `struct event` of execsnoop.bpf.c. */
export interface ExecEvent {
  kind: number;
  pid: number;
  ppid: number;
  uid: number;
  exit_code: number;
  exit_signal: number;
  args_size: number;
  duration_ns: bigint;
  comm: string;
  parent_comm: string;
  args: string;
}

const EVENT_EXIT = 1;

const row = (...cells: string[]): string =>
  cells
    .map((cell, column) => cell.padEnd([6, 8, 17, 17, 10][column] ?? 0))
    .join("")
    .trimEnd();

export function header(): string {
  return row("EVENT", "PID", "COMMAND", "PARENT", "TIME", "ARGUMENTS, OR HOW IT ENDED");
}

export function line(event: ExecEvent): string {
  const parent = `${event.ppid} ${event.parent_comm}`;
  const isExit = event.kind === EVENT_EXIT;
  return row(
    isExit ? "exit" : "exec",
    String(event.pid),
    clean(event.comm),
    clean(parent),
    isExit ? duration(event.duration_ns) : "",
    isExit ? ending(event) : clean(event.args),
  );
}

function ending({ exit_code, exit_signal }: ExecEvent): string {
  return exit_signal === 0 ? `exit code ${exit_code}` : `ended by signal ${exit_signal}`;
}

function duration(nanoseconds: bigint): string {
  const milliseconds = Number(nanoseconds) / 1e6;
  return milliseconds < 1000
    ? `${milliseconds.toFixed(1)} ms`
    : `${(milliseconds / 1000).toFixed(2)} s`;
}

/** Arguments may hold anything; a terminal shall not act on them. */
function clean(text: string): string {
  return text.replaceAll(/\p{Cc}/gu, "?").slice(0, 100);
}
