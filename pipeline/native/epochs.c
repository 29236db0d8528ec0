/* Timestamps to seconds since the epoch, with all digits of the fraction. */

#include "native.h"

#define TIME_SIZE 30
#define SECOND_SIZE 19
#define MOST_SECONDS 12 /* digits of the seconds, up to the year 9999 */
#define FORM "0000-00-00T00:00:00.000000000Z"

static int
has_form(const char *time)
{
    for (int at = 0; at < TIME_SIZE; at++) {
        if (FORM[at] == '0' ? time[at] < '0' || time[at] > '9' : time[at] != FORM[at]) {
            return 0;
        }
    }
    return 1;
}

static int
number(const char *digits, int count)
{
    int value = 0;
    for (int index = 0; index < count; index++) {
        value = value * 10 + (digits[index] - '0');
    }
    return value;
}

static int
days_of(int year, int month)
{
    static const byte days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    int leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return days[month - 1] + (month == 2 && leap);
}

/* Seconds since 1970; -1 where there is no such moment, or it is before that. Days are counted in
   years that begin in March. */
static int64_t
seconds_of(const char *time)
{
    int year = number(time, 4), month = number(time + 5, 2), day = number(time + 8, 2);
    int hour = number(time + 11, 2), minute = number(time + 14, 2), second = number(time + 17, 2);
    int64_t years, days;
    if (year < 1970 || month < 1 || month > 12 || day < 1 || day > days_of(year, month)
        || hour > 23 || minute > 59 || second > 59) {
        return -1;
    }
    years = year - (month < 3);
    days = years * 365 + years / 4 - years / 100 + years / 400
           + (153 * (month + (month < 3 ? 9 : -3)) + 2) / 5 + day - 719469;
    return ((days * 24 + hour) * 60 + minute) * 60 + second;
}

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
    const char *before = NULL;
    Py_ssize_t size = 0;
    for (Py_ssize_t index = 0; index < count; index++) {
        PyObject *item = PyList_GET_ITEM(times, index);
        const char *time;
        if (!PyBytes_CheckExact(item) || PyBytes_GET_SIZE(item) != TIME_SIZE) {
            return NULL;
        }
        time = PyBytes_AS_STRING(item);
        if (!has_form(time)) {
            return NULL;
        }
        if (before == NULL || memcmp(time, before, SECOND_SIZE) != 0) {
            int64_t seconds = seconds_of(time);
            if (seconds < 0) {
                return NULL;
            }
            size = put_seconds(written, seconds);
            before = time;
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
