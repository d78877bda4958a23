/*
 * hostname.c: the name of the machine, which sethostname() changes.
 */
#include "spin.h"
#include "uname.h"

static struct spin lock; /* guards the name */
static char hostname[HOSTNAME_MAX + 1] = "objrmap";

void hostname_get(char buf[HOSTNAME_MAX + 1])
{
	spin_lock(&lock);
	memcpy(buf, hostname, sizeof(hostname));
	spin_unlock(&lock);
}

void hostname_set(const char buf[HOSTNAME_MAX + 1])
{
	spin_lock(&lock);
	memcpy(hostname, buf, sizeof(hostname));
	spin_unlock(&lock);
}
