/* Timestamps to seconds since the epoch with all digits of the fraction, or to nanoseconds. */

#include "moment.h"
#include "put.h"

/* `pointed`: whether a point stands between the seconds and the other digits; without one, there
   are seconds, since numbers do not begin with zeros. Behind what was written; NULL where a time is not of the common shape. */
static byte *
write_times(byte *to, PyObject *times, Py_ssize_t count, int pointed)
{
    byte written[MOST_DIGITS];
    int64_t second = -1;
    Moment moment = {{0}, 0, 0};
    Py_ssize_t size = 0, from = pointed ? SECOND_SIZE : SECOND_SIZE + 1;
    for (Py_ssize_t index = 0; index < count; index++) {
        PyObject *item = PyList_GET_ITEM(times, index);
        const char *time;
        if (!PyBytes_CheckExact(item)) {
            return NULL;
        }
        time = PyBytes_AS_STRING(item);
        if (!dockline_read_moment((const byte *)time, PyBytes_GET_SIZE(item), &moment)
            || moment.seconds < !pointed) {
            return NULL;
        }
        if (moment.seconds != second) {
            second = moment.seconds;
            size = put_digits(written, (uint64_t)second) - written;
        }
        to = put(to, written, size);
        to = put(to, time + from, TIME_SIZE - 1 - from);
        *to++ = '\n';
    }
    return to;
}

PyObject *
dockline_epochs(PyObject *Py_UNUSED(module), PyObject *arguments)
{
    Py_ssize_t count;
    PyObject *times, *data;
    byte *end;
    int pointed;

    if (!PyArg_ParseTuple(arguments, "O!p:epochs", &PyList_Type, &times, &pointed)) {
        return NULL;
    }
    count = PyList_GET_SIZE(times);
    if (count < 1 || count > PY_SSIZE_T_MAX / TIME_SIZE) {
        Py_RETURN_NONE;
    }
    if ((data = PyBytes_FromStringAndSize(NULL, count * TIME_SIZE)) == NULL) {
        return NULL;
    }
    end = write_times((byte *)PyBytes_AS_STRING(data), times, count, pointed);
    if (end == NULL) {
        Py_DECREF(data);
        Py_RETURN_NONE;
    }
    _PyBytes_Resize(&data, end - 1 - (byte *)PyBytes_AS_STRING(data));
    return data;
}
