/* What loops put into the bytes that they write. */

#ifndef DOCKLINE_PUT_H
#define DOCKLINE_PUT_H

#include "native.h"

#define MOST_DIGITS 20 /* of a number of 64 bits */

/* Adds a size to those before; 0 where they are more than there can be. */
static inline int
add(Py_ssize_t *total, Py_ssize_t size)
{
    if (size > PY_SSIZE_T_MAX / 2 - *total) {
        return 0;
    }
    *total += size;
    return 1;
}

static inline byte *
put(byte *to, const void *from, Py_ssize_t size)
{
    memcpy(to, from, (size_t)size);
    return to + size;
}

static inline byte *
put_bytes(byte *to, PyObject *bytes)
{
    return put(to, PyBytes_AS_STRING(bytes), PyBytes_GET_SIZE(bytes));
}

static inline int
digits_of(uint64_t number)
{
    int digits = 1;
    while (number >= 10) {
        number /= 10;
        digits++;
    }
    return digits;
}

/* A number in decimal. */
static inline byte *
put_digits(byte *to, uint64_t number)
{
    byte digits[MOST_DIGITS];
    int first = MOST_DIGITS;
    do {
        digits[--first] = (byte)('0' + number % 10);
        number /= 10;
    } while (number);
    return put(to, digits + first, MOST_DIGITS - first);
}

#endif
