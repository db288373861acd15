/*
 * Lets libbpf relocate a BPF object against any BTF and prints the instructions that it would load,
 * as hexadecimal.
 *
 *     core OBJECT BTF [each]
 *     core version
 *
 * Nothing reaches the kernel: the bpf(2) calls that load programs, maps and types are answered
 * here, so neither privileges nor a verifier are needed. Each line of output is a program's name,
 * its section and its instructions, or `-` and the error number where libbpf gave up. All programs
 * are loaded as one object; with `each`, every program is loaded from an object of its own.
 *
 * Build: cc core.c -o core -Wl,--wrap=syscall LIBBPF.a -lelf -lz
 */
#define _GNU_SOURCE
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

long __real_syscall(long number, ...);

static int memory = -1;
static char warnings[4096];

/* A descriptor that can be mapped, for whatever libbpf believes to have created. */
static int pretend(void)
{
	if (memory < 0) {
		memory = memfd_create("pretended", MFD_CLOEXEC);
		if (memory < 0 || ftruncate(memory, 64 << 20) != 0)
			exit(2);
	}
	return dup(memory);
}

long __wrap_syscall(long number, ...)
{
	long a[6];
	va_list list;

	va_start(list, number);
	for (int i = 0; i < 6; i++)
		a[i] = va_arg(list, long);
	va_end(list);
	if (number != __NR_bpf)
		return __real_syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]);
	switch (a[0]) {
	case BPF_MAP_CREATE:
	case BPF_PROG_LOAD:
	case BPF_BTF_LOAD:
	case BPF_RAW_TRACEPOINT_OPEN:
	case BPF_LINK_CREATE:
		return pretend();
	case BPF_MAP_UPDATE_ELEM:
	case BPF_MAP_FREEZE:
	case BPF_PROG_BIND_MAP:
	case BPF_OBJ_GET_INFO_BY_FD:
		return 0;
	default:
		errno = ENOENT;
		return -1;
	}
}

static int keep_warning(enum libbpf_print_level level, const char *format, va_list list)
{
	if (getenv("CORE_DEBUG"))
		return vfprintf(stderr, format, list);
	if (level == LIBBPF_WARN) {
		size_t used = strlen(warnings);

		vsnprintf(warnings + used, sizeof(warnings) - used, format, list);
	}
	return 0;
}

/* One line for a program, or for all of them (`-`), that libbpf refuses. */
static void print_refusal(const char *name, int error)
{
	for (char *end = strchr(warnings, '\n'); end; end = strchr(end, '\n'))
		*end = ' ';
	printf("%s - %d %s\n", name, error, warnings);
}

static void print_program(const struct bpf_program *program)
{
	const unsigned char *bytes = (const unsigned char *)bpf_program__insns(program);
	size_t size = bpf_program__insn_cnt(program) * sizeof(struct bpf_insn);

	printf("%s %s ", bpf_program__name(program), bpf_program__section_name(program));
	for (size_t i = 0; i < size; i++)
		printf("%02x", bytes[i]);
	printf("\n");
}

/*
 * Relocates the programs, or only the one of index `only`; returns how many programs the object
 * has.
 */
static int relocate(const char *path, const char *btf, int only)
{
	LIBBPF_OPTS(bpf_object_open_opts, options, .btf_custom_path = btf);
	struct bpf_object *object = bpf_object__open_file(path, &options);
	struct bpf_program *program;
	struct bpf_map *map;
	int tables = 0;
	int count = 0;
	int error;

	if (!object) {
		print_refusal("-", -errno);
		return 0;
	}
	bpf_object__for_each_map(map, object)
		tables += bpf_map__type(map) == BPF_MAP_TYPE_STRUCT_OPS;
	/* A type that needs nothing of the running kernel. */
	bpf_object__for_each_program(program, object) {
		enum bpf_prog_type type = bpf_program__type(program);

		/* Function tables want their own type, and need nothing of the kernel but its types. */
		if (type != BPF_PROG_TYPE_STRUCT_OPS || !tables) {
			bpf_program__set_type(program, BPF_PROG_TYPE_RAW_TRACEPOINT);
			bpf_program__set_expected_attach_type(program, 0);
		}
		/* Before libbpf 1.3 the section name still makes it look for a function of the running kernel. */
		if (type == BPF_PROG_TYPE_TRACING || type == BPF_PROG_TYPE_LSM || type == BPF_PROG_TYPE_EXT)
			bpf_program__set_attach_target(program, 0, "vfs_read");
		bpf_program__set_autoload(program, only < 0 || only == count);
		count++;
	}
	warnings[0] = 0;
	error = bpf_object__load(object);
	count = 0;
	bpf_object__for_each_program(program, object) {
		if (only < 0 || only == count) {
			if (error == 0)
				print_program(program);
			else
				print_refusal(bpf_program__name(program), error);
		}
		count++;
	}
	bpf_object__close(object);
	return count;
}

int main(int argc, char **argv)
{
	if (argc == 2 && strcmp(argv[1], "version") == 0) {
		printf("%s\n", libbpf_version_string());
		return 0;
	}
	if (argc < 3) {
		fprintf(stderr, "usage: %s OBJECT BTF [each] | version\n", argv[0]);
		return 2;
	}
	libbpf_set_print(keep_warning);
	libbpf_set_strict_mode(LIBBPF_STRICT_ALL);
	if (argc == 3) {
		relocate(argv[1], argv[2], -1);
		return 0;
	}
	for (int i = 0, count = 1; i < count; i++)
		count = relocate(argv[1], argv[2], i);
	return 0;
}
