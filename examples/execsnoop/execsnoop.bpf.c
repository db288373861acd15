// SPDX-License-Identifier: MIT
//
// Reports every program that is started (execve) and, when the process is over, how it ended and how long it ran.
//
// Two raw tracepoints, one hash map, one ring buffer: no tracefs, no kprobe, no kernel headers. Runs unchanged on
// Linux 5.10 and later, on any architecture; what differs between kernels is settled by CO-RE when it is loaded.
//
// Build: make -C fixtures ../examples/execsnoop/execsnoop.bpf.o

typedef unsigned char __u8;
typedef unsigned short __u16;
typedef unsigned int __u32;
typedef unsigned long long __u64;
typedef signed int __s32;
typedef signed long long __s64;
typedef __u16 __be16;
typedef __u32 __be32;
typedef __u32 __wsum;

#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>

#define BPF_MAP_TYPE_HASH 1
#define BPF_MAP_TYPE_RINGBUF 27

#define COMM_SIZE 16
#define ARGS_SIZE 256 /* a power of two */
#define ANY_UID ((__u32)-1)

/* Of the kernel's structures only the members that are read; CO-RE finds where they are. */
#define KERNEL __attribute__((preserve_access_index))

typedef struct {
	int counter;
} KERNEL atomic_t;

struct mm_struct {
	unsigned long arg_start;
	unsigned long arg_end;
} KERNEL;

struct signal_struct {
	atomic_t live;
} KERNEL;

struct task_struct {
	int pid;
	int tgid;
	int exit_code;
	__u64 start_boottime;
	char comm[COMM_SIZE];
	struct task_struct *real_parent;
	struct task_struct *group_leader;
	struct mm_struct *mm;
	struct signal_struct *signal;
} KERNEL;

/* Before Linux 5.5 `start_boottime` had this name; what follows `___` is no part of the type's name in the kernel. */
struct task_struct___before_5_5 {
	__u64 real_start_time;
} KERNEL;

struct bpf_raw_tracepoint_args {
	__u64 args[0];
};

enum event_kind {
	EVENT_EXEC,
	EVENT_EXIT,
};

struct event {
	__u64 duration_ns; /* exec: since the process was forked; exit: since its last exec */
	enum event_kind kind;
	__u32 pid; /* the process, not the thread */
	__u32 ppid;
	__u32 uid;
	__u32 exit_code;   /* exit: what the process passed to exit() */
	__u32 exit_signal; /* exit: the signal that ended it, or 0 */
	__u32 args_size;   /* exec: bytes of all arguments; `args` is cut short when this is larger */
	char comm[COMM_SIZE];
	char parent_comm[COMM_SIZE];
	char args[ARGS_SIZE]; /* exec: the arguments, a space between them */
};

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 256 * 1024);
#ifndef PLAIN_RINGBUF
	/* Not for the kernel, which wants no value size here: it tells readers what the records are. */
	__type(value, struct event);
#endif
} events SEC(".maps");

#ifdef PLAIN_RINGBUF
/* libbpf passes the value size on and fails; for it, this keeps `struct event` among the object's types. */
const struct event *unused_event;
#endif

/* When a running process was started: its id to nanoseconds since boot. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 10240);
	__type(key, __u32);
	__type(value, __u64);
} starts SEC(".maps");

/* Settings, to be changed before loading. With a least duration, only the ends of processes are reported. */
const volatile __u64 min_duration_ns = 0;
const volatile __u32 target_uid = ANY_UID;

/* Events that found the ring buffer full. */
__u64 dropped = 0;

static __always_inline __u64 task_start(struct task_struct *task)
{
	struct task_struct___before_5_5 *old = (void *)task;

	if (bpf_core_field_exists(old->real_start_time))
		return BPF_CORE_READ(old, real_start_time);
	return BPF_CORE_READ(task, start_boottime);
}

static __always_inline struct event *reserve(struct task_struct *task, enum event_kind kind)
{
	struct event *event = bpf_ringbuf_reserve(&events, sizeof(*event), 0);

	if (!event) {
		__sync_fetch_and_add(&dropped, 1);
		return NULL;
	}
	/* This memory may have held another record: what says nothing in this one has to be cleared. */
	event->kind = kind;
	event->pid = BPF_CORE_READ(task, tgid);
	event->ppid = BPF_CORE_READ(task, real_parent, tgid);
	event->uid = (__u32)bpf_get_current_uid_gid();
	event->exit_code = 0;
	event->exit_signal = 0;
	event->args_size = 0;
	event->args[0] = 0;
	/* The first thread's name is the process's. */
	BPF_CORE_READ_INTO(&event->comm, task, group_leader, comm);
	BPF_CORE_READ_INTO(&event->parent_comm, task, real_parent, group_leader, comm);
	return event;
}

static __always_inline void read_args(struct event *event, struct task_struct *task)
{
	__u64 start = BPF_CORE_READ(task, mm, arg_start);
	__u64 size = BPF_CORE_READ(task, mm, arg_end) - start;

	event->args_size = size;
	if (size > ARGS_SIZE)
		size = ARGS_SIZE;
	if (size == 0 || bpf_probe_read_user(event->args, size, (void *)start) != 0)
		return;
	/* Each argument ends with a NUL; all but the last become spaces. */
	for (__u32 i = 0; i < ARGS_SIZE - 1; i++) {
		if (i + 1 >= size)
			break;
		if (event->args[i] == 0)
			event->args[i] = ' ';
	}
	/* The mask tells the verifier what it knew before the loop. */
	event->args[(size - 1) & (ARGS_SIZE - 1)] = 0;
}

SEC("raw_tp/sched_process_exec")
int on_exec(struct bpf_raw_tracepoint_args *ctx)
{
	struct task_struct *task = (void *)ctx->args[0];
	__u32 pid = BPF_CORE_READ(task, tgid);
	__u64 now = bpf_ktime_get_boot_ns();
	struct event *event;

	if (target_uid != ANY_UID && target_uid != (__u32)bpf_get_current_uid_gid())
		return 0;
	bpf_map_update_elem(&starts, &pid, &now, 0);
	if (min_duration_ns)
		return 0;

	event = reserve(task, EVENT_EXEC);
	if (!event)
		return 0;
	event->duration_ns = now - task_start(task);
	read_args(event, task);
	bpf_ringbuf_submit(event, 0);
	return 0;
}

SEC("raw_tp/sched_process_exit")
int on_exit(struct bpf_raw_tracepoint_args *ctx)
{
	struct task_struct *task = (void *)ctx->args[0];
	__u32 pid = BPF_CORE_READ(task, tgid);
	__u64 now = bpf_ktime_get_boot_ns(), duration;
	struct event *event;
	__u64 *start;
	int code;

	/*
	 * This runs for every thread. The process is over when its last thread is, which need not be the first one
	 * (an exec in another thread ends the first thread, too).
	 */
	if (BPF_CORE_READ(task, signal, live.counter) != 0)
		return 0;
	start = bpf_map_lookup_elem(&starts, &pid);
	if (!start)
		return 0;
	duration = now - *start;
	/* Threads that end at one time all find none left alive: the one that deletes the entry reports. */
	if (bpf_map_delete_elem(&starts, &pid) != 0 || duration < min_duration_ns)
		return 0;

	event = reserve(task, EVENT_EXIT);
	if (!event)
		return 0;
	code = BPF_CORE_READ(task, exit_code);
	event->duration_ns = duration;
	event->exit_code = (code >> 8) & 0xff;
	event->exit_signal = code & 0x7f;
	bpf_ringbuf_submit(event, 0);
	return 0;
}

char LICENSE[] SEC("license") = "Dual MIT/GPL";
