// SPDX-License-Identifier: MIT
//
// Prints whether libbpf finds that programs of a type may call a helper, on the running kernel. Needs root.
//
//   cc -O2 -Wall probe.c -o probe -Wl,--wrap=bpf_prog_load -l:libbpf.a -lelf -lz
//   ./probe version                                   libbpf 1.0 or newer
//   ./probe < QUESTIONS
//
// A question is a line `TYPE HELPER` of two numbers; an answer is a line with 1, 0 or a negative errno.

#include <stdio.h>
#include <string.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

static const char complaint[] = "program of this type cannot use helper ";
static const char older[] = "unknown func ";

int __real_bpf_prog_load(enum bpf_prog_type type, const char *name, const char *license, const struct bpf_insn *instructions,
			 size_t count, struct bpf_prog_load_opts *options);

/* Linux 6.10 words a complaint anew, which libbpf reads since 1.5: for older ones it is said in the old words. */
int __wrap_bpf_prog_load(enum bpf_prog_type type, const char *name, const char *license, const struct bpf_insn *instructions,
			 size_t count, struct bpf_prog_load_opts *options)
{
	int result = __real_bpf_prog_load(type, name, license, instructions, count, options);
	char *found = result < 0 && options && options->log_buf ? strstr(options->log_buf, complaint) : NULL;

	if (found)
		memcpy(found, older, strlen(older));
	return result;
}

static int stay_silent(enum libbpf_print_level level, const char *format, va_list arguments)
{
	return 0;
}

int main(int count, char **arguments)
{
	int type, helper;

	if (count == 2 && !strcmp(arguments[1], "version")) {
		puts(libbpf_version_string());
		return 0;
	}
	if (count != 1)
		return 2;
	libbpf_set_print(stay_silent);
	while (scanf("%d %d", &type, &helper) == 2)
		printf("%d\n", libbpf_probe_bpf_helper(type, helper, NULL));
	return 0;
}
