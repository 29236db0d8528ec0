/* Times as a `Batch` has them, in seconds and nanoseconds. */

#ifndef DOCKLINE_MOMENT_H
#define DOCKLINE_MOMENT_H

#include "native.h"

#define TIME_SIZE 30
#define SECOND_SIZE 19

typedef struct {
    byte known[SECOND_SIZE]; /* the second that `seconds` is of; no time at the beginning */
    int64_t seconds;         /* since the epoch */
    uint32_t nanoseconds;
} Moment;

/* Reads `2026-01-31T23:59:59.123456789Z` into `moment`, which was filled with zeros before the
   first. Whether it is a time in exactly this form. */
int dockline_read_moment(const byte *time, Py_ssize_t size, Moment *moment);

#endif
