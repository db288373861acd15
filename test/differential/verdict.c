// SPDX-License-Identifier: MIT
//
// Prints what becomes of programs that libbpf loads on the running kernel: the other opinion, to compare `ebpf verify` with.
// Nothing is attached or pinned. Needs root.
//
//   cc -O2 -Wall verdict.c -o verdict -lbpf        libbpf 1.1 or newer
//   ./verdict version
//   ./verdict OBJECT PROGRAM…
//
// Each PROGRAM is a name, and behind it, separated by newlines, its type and attach type, for sections that libbpf does not know, and
// the names of the maps to create for it; it is loaded alone. A line
// each: `PROGRAM VERDICT ERRNO REASON`. VERDICT is `ok`, `rejected` when the verifier had a word, `error` for anything else; REASON is
// libbpf's first complaint.

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include <bpf/libbpf.h>

static bool rejected;
static char reason[512];

static int listen_to(enum libbpf_print_level level, const char *format, va_list arguments)
{
	char text[512];

	if (level != LIBBPF_WARN)
		return 0;
	vsnprintf(text, sizeof(text), format, arguments);
	if (strstr(text, "-- BEGIN PROG LOAD LOG --"))
		rejected = true;
	else if (!*reason)
		strcpy(reason, text);
	return 0;
}

/* Whether a line of `list`, behind its first, is `name`. */
static bool listed(const char *list, const char *name)
{
	size_t length = strlen(name);

	for (list = strchr(list, '\n'); list; list = strchr(list, '\n')) {
		list++;
		if (!strncmp(list, name, length) && (!list[length] || list[length] == '\n'))
			return true;
	}
	return false;
}

static int load(const char *file, const char *wanted, size_t length)
{
	struct bpf_object *object = bpf_object__open_file(file, NULL);
	struct bpf_program *program;
	struct bpf_map *map;
	bool found = false;
	int error;

	if (!object)
		return -errno;
	bpf_object__for_each_program(program, object) {
		const char *name = bpf_program__name(program);
		bool own = !strncmp(name, wanted, length) && !name[length];
		int type, attach;

		bpf_program__set_autoload(program, own);
		found |= own;
		if (own && !bpf_program__type(program) && sscanf(wanted + length, "%d %d", &type, &attach) == 2) {
			bpf_program__set_type(program, type);
			bpf_program__set_expected_attach_type(program, attach);
		}
	}
	bpf_object__for_each_map(map, object) {
		const char *name = bpf_map__name(map);

		/* libbpf puts the object's name before those of data sections. */
		if (bpf_map__is_internal(map) && strchr(name, '.'))
			name = strchr(name, '.');
		bpf_map__set_autocreate(map, listed(wanted, name));
		bpf_map__set_pin_path(map, NULL);
	}
	error = found ? bpf_object__load(object) : -ENOENT;
	bpf_object__close(object);
	return error;
}

int main(int count, char **arguments)
{
	if (count == 2 && !strcmp(arguments[1], "version")) {
		puts(libbpf_version_string());
		return 0;
	}
	if (count < 2)
		return 2;
	libbpf_set_print(listen_to);
	for (int i = 2; i < count; i++) {
		size_t length = strcspn(arguments[i], "\n");
		int error;

		rejected = false;
		*reason = 0;
		error = load(arguments[1], arguments[i], length);
		for (char *at = reason; *at; at++)
			if (*at == '\n')
				*at = ' ';
		printf("%.*s\t%s\t%d\t%s\n", (int)length, arguments[i], !error ? "ok" : rejected ? "rejected" : "error",
		       -error, reason);
		fflush(stdout);
	}
	return 0;
}
