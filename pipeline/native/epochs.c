/* Timestamps to seconds since the epoch, with all digits of the fraction. */

#include "moment.h"

#define MOST_SECONDS 12 /* digits of the seconds, up to the year 9999 */

static Py_ssize_t
put_seconds(char *to, int64_t seconds)
{
    char digits[MOST_SECONDS];
    Py_ssize_t size = 0, count;
    do {
        digits[size++] = (char)('0' + seconds % 10);
        seconds /= 10;
    } while (seconds);
    for (count = 0; count < size; count++) {
        to[count] = digits[size - 1 - count];
    }
    return size;
}

/* Behind what was written; NULL where a time is not of the common shape. */
static char *
write_times(char *to, PyObject *times, Py_ssize_t count)
{
    char written[MOST_SECONDS];
    int64_t second = -1;
    Moment moment = {{0}, 0, 0};
    Py_ssize_t size = 0;
    for (Py_ssize_t index = 0; index < count; index++) {
        PyObject *item = PyList_GET_ITEM(times, index);
        const char *time;
        if (!PyBytes_CheckExact(item)) {
            return NULL;
        }
        time = PyBytes_AS_STRING(item);
        if (!dockline_read_moment((const byte *)time, PyBytes_GET_SIZE(item), &moment)
            || moment.seconds < 0) {
            return NULL;
        }
        if (moment.seconds != second) {
            second = moment.seconds;
            size = put_seconds(written, second);
        }
        memcpy(to, written, (size_t)size);
        to += size;
        memcpy(to, time + SECOND_SIZE, TIME_SIZE - SECOND_SIZE - 1);
        to += TIME_SIZE - SECOND_SIZE - 1;
        *to++ = '\n';
    }
    return to;
}

PyObject *
dockline_epochs(PyObject *Py_UNUSED(module), PyObject *times)
{
    Py_ssize_t count;
    PyObject *data;
    char *end;

    if (!PyList_CheckExact(times)) {
        PyErr_SetString(PyExc_TypeError, "epochs: a list is needed");
        return NULL;
    }
    count = PyList_GET_SIZE(times);
    if (count < 1 || count > PY_SSIZE_T_MAX / TIME_SIZE) {
        Py_RETURN_NONE;
    }
    if ((data = PyBytes_FromStringAndSize(NULL, count * TIME_SIZE)) == NULL) {
        return NULL;
    }
    if ((end = write_times(PyBytes_AS_STRING(data), times, count)) == NULL) {
        Py_DECREF(data);
        Py_RETURN_NONE;
    }
    _PyBytes_Resize(&data, end - 1 - PyBytes_AS_STRING(data));
    return data;
}
