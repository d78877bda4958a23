/*
 * options.c: the command line: options of the kernel and arguments of process 1.
 */
#include "options.h"

#define MAX_ARGUMENTS 64

static const struct {
	const char *name, *value, *meaning;
} known[NR_BOOT_OPTIONS] = {
#define ENTRY(name, value, meaning) [OPTION_##name] = {#name, value, meaning},
    BOOT_OPTIONS(ENTRY)};

static const char *given[NR_BOOT_OPTIONS];
static char *arguments[MAX_ARGUMENTS + 1];
static unsigned nr_arguments = 1;

const char *boot_option(enum boot_option option)
{
	return given[option];
}

char **boot_arguments(void)
{
	return arguments;
}

static void add_argument(char *word)
{
	if (nr_arguments < MAX_ARGUMENTS)
		arguments[nr_arguments++] = word;
	else
		printk("options: too many arguments: %s is left out\n", word);
}

/* Of an option that is given twice the first counts. Returns false if it is unknown. */
static bool set_option(const char *word)
{
	for (unsigned i = 0; i < NR_BOOT_OPTIONS; i++) {
		size_t n = strlen(known[i].name);

		if (strncmp(word, known[i].name, n) || (word[n] && word[n] != '='))
			continue;
		if (!given[i])
			given[i] = word[n] ? word + n + 1 : "";
		return true;
	}
	printk("options: there is no option %s\n", word);
	return false;
}

static void print_known(void)
{
	printk("options: those there are:\n");
	for (unsigned i = 0; i < NR_BOOT_OPTIONS; i++)
		printk("  %s%-*s %s\n", known[i].name, 16 - (int)strlen(known[i].name),
		       known[i].value, known[i].meaning);
}

/* The next word, terminated; NULL: there is none. */
static char *next_word(char **line)
{
	char *word = *line, *end;

	while (*word == ' ')
		word++;
	end = strchr(word, ' ');
	*line = end ? end + 1 : word + strlen(word);
	if (end)
		*end = 0;
	return *word ? word : NULL;
}

void options_init(char *line)
{
	bool after_options = false, all_known = true;
	char *word;

	while ((word = next_word(&line)) != NULL) {
		if (after_options)
			add_argument(word);
		else if (!strcmp(word, "--"))
			after_options = true;
		else if (!set_option(word))
			all_known = false;
	}
	if (!all_known)
		print_known();
}
