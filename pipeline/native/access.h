/* A line of an access log, and where its values are. */

#ifndef DOCKLINE_ACCESS_H
#define DOCKLINE_ACCESS_H

#include "native.h"

/* The order is that of `NAMES` in `parsing/access_records`. */
enum {
    CLIENT,
    TIMESTAMP,
    IDENTITY,
    USER,
    METHOD,
    PATH,
    PROTOCOL,
    REQUEST,
    STATUS,
    SIZE,
    REFERER,
    AGENT,
    FORWARDED_FOR,
    REQUEST_TIME,
    UPSTREAM_CONNECT_TIME,
    UPSTREAM_HEADER_TIME,
    UPSTREAM_RESPONSE_TIME,
    VALUES
};

#define FIRST_SECONDS REQUEST_TIME /* this one and those behind it are seconds */

#define LOGGED_SIZE 26 /* `31/Jan/2026:23:59:59 +0000` */

typedef struct {
    const byte *from; /* NULL for a value that the line does not have */
    const byte *to;
} Span;

/* Finds the values of a line from `at` up to `end`. Whether it has the common or the combined format,
   with nothing behind it but times that are easily read. */
int dockline_read_access(const byte *at, const byte *end, Span spans[VALUES]);

/* The month of a time in a log, from 1 to 12; 0 where it is none. */
int dockline_month_of(const byte *time);

#endif
