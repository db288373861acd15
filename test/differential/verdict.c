// SPDX-License-Identifier: MIT
//
// Prints what becomes of programs that libbpf loads on the running kernel: the other opinion, to compare `ebpf verify` with.
// Nothing is attached or pinned. Needs root.
//
//   cc -O2 -Wall verdict.c -o verdict -Wl,--wrap=btf__load_vmlinux_btf,--wrap=btf__free -l:libbpf.a -lelf -lz
//   ./verdict version                                 libbpf 1.1 or newer
//   ./verdict < QUESTIONS
//
// A question is a line of fields with tabs between them: the path of an object, the name of a program, its type and its attach type,
// for sections that libbpf does not know, and the names of the maps to create for it. The program is loaded alone. An answer is a line
// `VERDICT ERRNO REASON`: VERDICT is `ok`, `rejected` when the verifier had a word, `error` for anything else; REASON is libbpf's first
// complaint.

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <bpf/btf.h>
#include <bpf/libbpf.h>

#define FIELDS 256

static char reason[512];
/* A log that is full is enough. Without it libbpf asks for longer ones up to 16 MiB, each time with the whole verification. */
static char verifier_log[1 << 16];

/* libbpf reads the kernel's types anew for each object, which takes longer than all the rest: here they are read once. */
static struct btf *kernel_types;

struct btf *__real_btf__load_vmlinux_btf(void);
void __real_btf__free(struct btf *btf);

struct btf *__wrap_btf__load_vmlinux_btf(void)
{
	if (!kernel_types)
		kernel_types = __real_btf__load_vmlinux_btf();
	return kernel_types;
}

void __wrap_btf__free(struct btf *btf)
{
	if (btf != kernel_types)
		__real_btf__free(btf);
}

static int listen_to(enum libbpf_print_level level, const char *format, va_list arguments)
{
	char text[512];

	if (level != LIBBPF_WARN)
		return 0;
	vsnprintf(text, sizeof(text), format, arguments);
	if (!*reason)
		strcpy(reason, text);
	return 0;
}

struct question {
	char *object;
	char *program;
	int type;
	int attach_type;
	char *maps[FIELDS];
	int map_count;
};

static bool is_asked_for(const struct question *question, const char *map)
{
	for (int i = 0; i < question->map_count; i++)
		if (!strcmp(question->maps[i], map))
			return true;
	return false;
}

static int load(const struct question *question)
{
	struct bpf_object *object = bpf_object__open_file(question->object, NULL);
	struct bpf_program *program;
	struct bpf_map *map;
	bool found = false;
	int error;

	if (!object)
		return -errno;
	bpf_object__for_each_program(program, object) {
		bool own = !strcmp(bpf_program__name(program), question->program);

		bpf_program__set_autoload(program, own);
		bpf_program__set_log_buf(program, verifier_log, sizeof(verifier_log));
		found |= own;
		if (own && !bpf_program__type(program)) {
			bpf_program__set_type(program, question->type);
			bpf_program__set_expected_attach_type(program, question->attach_type);
		}
	}
	bpf_object__for_each_map(map, object) {
		const char *name = bpf_map__name(map);

		/* libbpf puts the object's name before those of data sections. */
		if (bpf_map__is_internal(map) && strchr(name, '.'))
			name = strchr(name, '.');
		bpf_map__set_autocreate(map, is_asked_for(question, name));
		bpf_map__set_pin_path(map, NULL);
	}
	error = found ? bpf_object__load(object) : -ENOENT;
	bpf_object__close(object);
	return error;
}

/* Divides a line, which it changes; whether it is a question. */
static bool read_question(char *line, struct question *question)
{
	char *fields[FIELDS];
	int count = 0;

	line[strcspn(line, "\n")] = 0;
	for (char *field = strtok(line, "\t"); field && count < FIELDS; field = strtok(NULL, "\t"))
		fields[count++] = field;
	if (count < 4)
		return false;
	question->object = fields[0];
	question->program = fields[1];
	question->type = atoi(fields[2]);
	question->attach_type = atoi(fields[3]);
	question->map_count = count - 4;
	memcpy(question->maps, fields + 4, question->map_count * sizeof(*fields));
	return true;
}

int main(int count, char **arguments)
{
	struct question question;
	char *line = NULL;
	size_t size = 0;

	if (count == 2 && !strcmp(arguments[1], "version")) {
		puts(libbpf_version_string());
		return 0;
	}
	if (count != 1)
		return 2;
	libbpf_set_print(listen_to);
	while (getline(&line, &size, stdin) > 0) {
		int error;

		if (!read_question(line, &question))
			return 2;
		*reason = 0;
		*verifier_log = 0;
		error = load(&question);
		for (char *at = reason; *at; at++)
			if (*at == '\n' || *at == '\t')
				*at = ' ';
		printf("%s\t%d\t%s\n", !error ? "ok" : *verifier_log ? "rejected" : "error", -error, reason);
		fflush(stdout);
	}
	free(line);
	return 0;
}
