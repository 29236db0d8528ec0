/* Lines that belong together as one text each, with LF between them: what `bytes.join` does for
   each. */

#include "native.h"

/* The lines from `start` up to `stop`, which are bytes. */
static PyObject *
joined(PyObject *lines, Py_ssize_t start, Py_ssize_t stop)
{
    Py_ssize_t size = stop - start - 1;
    PyObject *text;
    char *to;

    for (Py_ssize_t index = start; index < stop; index++) {
        Py_ssize_t more = PyBytes_GET_SIZE(PyList_GET_ITEM(lines, index));
        if (more > PY_SSIZE_T_MAX - size) {
            return PyErr_NoMemory();
        }
        size += more;
    }
    if ((text = PyBytes_FromStringAndSize(NULL, size)) == NULL) {
        return NULL;
    }
    to = PyBytes_AS_STRING(text);
    for (Py_ssize_t index = start; index < stop; index++) {
        PyObject *line = PyList_GET_ITEM(lines, index);
        if (index > start) {
            *to++ = '\n';
        }
        memcpy(to, PyBytes_AS_STRING(line), (size_t)PyBytes_GET_SIZE(line));
        to += PyBytes_GET_SIZE(line);
    }
    return text;
}

/* Behind the last line that belongs to the one at `start`, up to `end`. */
static Py_ssize_t
stop_of(const char *belongs, Py_ssize_t start, Py_ssize_t end)
{
    Py_ssize_t stop = start + 1;
    while (stop < end && belongs[stop] != 0) {
        stop++;
    }
    return stop;
}

static int
append(PyObject *list, PyObject *item)
{
    int failed = item == NULL || PyList_Append(list, item) < 0;
    Py_XDECREF(item);
    return !failed;
}

PyObject *
dockline_groups(PyObject *Py_UNUSED(module), PyObject *arguments)
{
    PyObject *lines, *belonging, *texts, *starts, *both = NULL;
    Py_ssize_t end;

    if (!PyArg_ParseTuple(arguments, "O!Sn:groups", &PyList_Type, &lines, &belonging, &end)) {
        return NULL;
    }
    if (!dockline_are_bytes(lines, PyBytes_GET_SIZE(belonging))) {
        PyErr_SetString(PyExc_TypeError, "groups: lines are bytes, as many as say what belongs");
        return NULL;
    }
    if (end < 0 || end > PyBytes_GET_SIZE(belonging)) {
        PyErr_SetString(PyExc_ValueError, "groups: the end is that of a line");
        return NULL;
    }
    texts = PyList_New(0);
    starts = PyList_New(0);
    if (texts != NULL && starts != NULL) {
        const char *belongs = PyBytes_AS_STRING(belonging);
        Py_ssize_t start = 0;
        while (start < end && belongs[start] != 0) {
            start++;
        }
        while (start < end) {
            Py_ssize_t stop = stop_of(belongs, start, end);
            PyObject *text = stop - start == 1 ? Py_NewRef(PyList_GET_ITEM(lines, start))
                                               : joined(lines, start, stop);
            if (!append(texts, text) || !append(starts, PyLong_FromSsize_t(start))) {
                break;
            }
            start = stop;
        }
        both = start < end ? NULL : PyTuple_Pack(2, texts, starts);
    }
    Py_XDECREF(texts);
    Py_XDECREF(starts);
    return both;
}
