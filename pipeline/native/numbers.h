/* A column of numbers that are not negative and have at most 63 bits: a list, or a range that
   ascends. */

#ifndef DOCKLINE_NUMBERS_H
#define DOCKLINE_NUMBERS_H

#include "native.h"

typedef struct {
    PyObject *list; /* NULL for a range */
    Py_ssize_t count;
    long long start, step;
} Numbers;

/* Whether `object` is a column of `count` numbers; those of a list are not looked at yet. */
int dockline_numbers(PyObject *object, Py_ssize_t count, Numbers *numbers);

/* The number at an index, which there is; -1 where an item of a list is none. */
long long dockline_number(const Numbers *numbers, Py_ssize_t index);

#endif
