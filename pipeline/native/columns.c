/* What is asked of whole columns: how many bytes they hold, which time is the newest, and whether
   each text is a single line. */

#include "characters.h"

/* Bytes of all items, or -1 where one is no `bytes`. */
static Py_ssize_t
sum_of(PyObject *items)
{
    Py_ssize_t total = 0;
    for (Py_ssize_t index = 0; index < PyList_GET_SIZE(items); index++) {
        PyObject *item = PyList_GET_ITEM(items, index);
        if (!PyBytes_CheckExact(item) || PyBytes_GET_SIZE(item) > PY_SSIZE_T_MAX - total) {
            return -1;
        }
        total += PyBytes_GET_SIZE(item);
    }
    return total;
}

PyObject *
dockline_total(PyObject *Py_UNUSED(module), PyObject *items)
{
    Py_ssize_t total = PyList_CheckExact(items) ? sum_of(items) : -1;
    if (total < 0) {
        PyErr_SetString(PyExc_TypeError, "a list of bytes is asked for");
        return NULL;
    }
    return PyLong_FromSsize_t(total);
}

/* Whether `one` comes behind `other` in order. */
static int
is_behind(PyObject *one, PyObject *other)
{
    Py_ssize_t size = PyBytes_GET_SIZE(one), other_size = PyBytes_GET_SIZE(other);
    size_t both = (size_t)(size < other_size ? size : other_size);
    int order = memcmp(PyBytes_AS_STRING(one), PyBytes_AS_STRING(other), both);
    return order > 0 || (order == 0 && size > other_size);
}

PyObject *
dockline_newest(PyObject *Py_UNUSED(module), PyObject *times)
{
    Py_ssize_t newest = 0;
    if (!PyList_CheckExact(times) || PyList_GET_SIZE(times) == 0 || sum_of(times) < 0) {
        PyErr_SetString(PyExc_TypeError, "a list of bytes is asked for, one or more");
        return NULL;
    }
    for (Py_ssize_t index = 1; index < PyList_GET_SIZE(times); index++) {
        if (is_behind(PyList_GET_ITEM(times, index), PyList_GET_ITEM(times, newest))) {
            newest = index;
        }
    }
    return PyLong_FromSsize_t(newest);
}

static int
is_single(const char *text, Py_ssize_t size)
{
    Py_ssize_t blank = 0;
    while (blank < size && is_space((byte)text[blank])) {
        blank++;
    }
    return blank < size && memchr(text, '\n', (size_t)size) == NULL;
}

PyObject *
dockline_single(PyObject *Py_UNUSED(module), PyObject *lines)
{
    if (!PyList_CheckExact(lines) || sum_of(lines) < 0) {
        PyErr_SetString(PyExc_TypeError, "a list of bytes is asked for");
        return NULL;
    }
    for (Py_ssize_t index = 0; index < PyList_GET_SIZE(lines); index++) {
        PyObject *line = PyList_GET_ITEM(lines, index);
        if (!is_single(PyBytes_AS_STRING(line), PyBytes_GET_SIZE(line))) {
            Py_RETURN_FALSE;
        }
    }
    Py_RETURN_TRUE;
}

int
dockline_are_bytes(PyObject *column, Py_ssize_t count)
{
    if (!PyList_CheckExact(column) || PyList_GET_SIZE(column) != count) {
        return 0;
    }
    for (Py_ssize_t index = 0; index < count; index++) {
        if (!PyBytes_CheckExact(PyList_GET_ITEM(column, index))) {
            return 0;
        }
    }
    return 1;
}

int
dockline_are_choices(const byte *rows, Py_ssize_t count, PyObject *choices)
{
    Py_ssize_t size = PyTuple_GET_SIZE(choices);
    for (Py_ssize_t index = 0; index < size; index++) {
        if (!PyBytes_CheckExact(PyTuple_GET_ITEM(choices, index))) {
            return 0;
        }
    }
    for (Py_ssize_t index = 0; index < count; index++) {
        if (rows[index] >= size) {
            return 0;
        }
    }
    return 1;
}
