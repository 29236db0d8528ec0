/* Columns to log records of OTLP, each as a field of a `ScopeLogs`: what `Requests._written` does.

   A record is the item of `starts` for its kind, which ends in the key of its time; the time; its
   sequence number as an attribute; its line as the body; and further fields. */

#include "lines.h"
#include "moment.h"
#include "numbers.h"
#include "protobuf.h"

#define RECORD KEY(2, DELIMITED)    /* of a ScopeLogs */
#define BODY KEY(5, DELIMITED)      /* of a LogRecord */
#define ATTRIBUTE KEY(6, DELIMITED)
#define STRING KEY(1, DELIMITED)    /* of an AnyValue */
#define INTEGER KEY(3, VARINT)
#define VALUE KEY(2, DELIMITED)     /* of a KeyValue */

#define MOST_SECONDS INT64_C(9223372036)
#define MOST_NANOSECONDS 854775807

typedef struct {
    PyObject *starts; /* a tuple of bytes */
    const byte *kinds;
    Py_ssize_t count;
    PyObject *times;
    PyObject *name; /* of the attribute with the number, as the field of a KeyValue */
    Numbers numbers;
    PyObject *lines; /* NULL for records without a body */
    PyObject *more;  /* a list of bytes; NULL for none */
    Py_ssize_t *text_sizes;
    Py_ssize_t *sizes; /* of the records */
} Records;

static int
are_sound(const Records *records)
{
    return dockline_are_choices(records->kinds, records->count, records->starts)
           && dockline_are_bytes(records->times, records->count)
           && (records->more == NULL || dockline_are_bytes(records->more, records->count))
           && (records->lines == NULL
               || dockline_text_sizes(records->lines, records->count, records->text_sizes));
}

static Py_ssize_t
text_size(const Records *records, Py_ssize_t index)
{
    Py_ssize_t size = records->text_sizes[index];
    return size < 0 ? -size : size;
}

static Py_ssize_t
pair_size(const Records *records, uint64_t number)
{
    return PyBytes_GET_SIZE(records->name) + 3 + varint_size(number);
}

/* Bytes of all records with what stands before each, or -1 where they are more than there can be,
   or a number is none. */
static Py_ssize_t
measure(const Records *records)
{
    Py_ssize_t total = 0;
    for (Py_ssize_t index = 0; index < records->count; index++) {
        long long number = dockline_number(&records->numbers, index);
        PyObject *start = PyTuple_GET_ITEM(records->starts, records->kinds[index]);
        Py_ssize_t size;
        if (number < 0) {
            return -1;
        }
        size = PyBytes_GET_SIZE(start) + 8
               + delimited_size(pair_size(records, (uint64_t)number));
        if (records->lines != NULL) {
            size += delimited_size(delimited_size(text_size(records, index)));
        }
        if (records->more != NULL) {
            size += PyBytes_GET_SIZE(PyList_GET_ITEM(records->more, index));
        }
        records->sizes[index] = size;
        size = delimited_size(size);
        if (size > PY_SSIZE_T_MAX / 2 - total) {
            return -1;
        }
        total += size;
    }
    return total;
}

/* Nanoseconds since the epoch, little end first; 0 before 1970 and after 2262. */
static byte *
put_time(byte *to, const Moment *moment)
{
    uint64_t time = 0;
    if (moment->seconds >= 0
        && (moment->seconds < MOST_SECONDS
            || (moment->seconds == MOST_SECONDS && moment->nanoseconds <= MOST_NANOSECONDS))) {
        time = (uint64_t)moment->seconds * 1000000000 + moment->nanoseconds;
    }
    for (int shift = 0; shift < 64; shift += 8) {
        *to++ = (byte)(time >> shift);
    }
    return to;
}

static byte *
put_number(byte *to, const Records *records, uint64_t number)
{
    to = put_head(to, ATTRIBUTE, pair_size(records, number));
    to = put_bytes(to, records->name);
    *to++ = VALUE;
    *to++ = (byte)(1 + varint_size(number));
    *to++ = INTEGER;
    return put_varint(to, number);
}

/* Whether all times were times. */
static int
write_all(const Records *records, byte *to)
{
    Moment moment = {{0}, 0, 0};
    for (Py_ssize_t index = 0; index < records->count; index++) {
        PyObject *time = PyList_GET_ITEM(records->times, index);
        if (!dockline_read_moment((const byte *)PyBytes_AS_STRING(time), PyBytes_GET_SIZE(time),
                                  &moment)) {
            return 0;
        }
        to = put_head(to, RECORD, records->sizes[index]);
        to = put_bytes(to, PyTuple_GET_ITEM(records->starts, records->kinds[index]));
        to = put_time(to, &moment);
        to = put_number(to, records, (uint64_t)dockline_number(&records->numbers, index));
        if (records->lines != NULL) {
            Py_ssize_t size = text_size(records, index);
            to = put_head(to, BODY, delimited_size(size));
            to = put_head(to, STRING, size);
            to = put_text(to, PyList_GET_ITEM(records->lines, index), records->text_sizes[index]);
        }
        if (records->more != NULL) {
            to = put_bytes(to, PyList_GET_ITEM(records->more, index));
        }
    }
    return 1;
}

static PyObject *
written(const Records *records)
{
    Py_ssize_t total;
    PyObject *data;
    if (!are_sound(records) || (total = measure(records)) < 0) {
        Py_RETURN_NONE;
    }
    if ((data = PyBytes_FromStringAndSize(NULL, total)) != NULL
        && !write_all(records, (byte *)PyBytes_AS_STRING(data))) {
        Py_DECREF(data);
        Py_RETURN_NONE;
    }
    return data;
}

PyObject *
dockline_otlp(PyObject *Py_UNUSED(module), PyObject *arguments)
{
    Records records;
    PyObject *numbers, *result;

    if (!PyArg_ParseTuple(arguments, "O!y#O!SOOO:otlp", &PyTuple_Type, &records.starts,
                          &records.kinds, &records.count, &PyList_Type, &records.times,
                          &records.name, &numbers, &records.lines, &records.more)) {
        return NULL;
    }
    records.lines = records.lines == Py_None ? NULL : records.lines;
    records.more = records.more == Py_None ? NULL : records.more;
    if (records.count < 1 || PyBytes_GET_SIZE(records.name) > 100
        || !dockline_numbers(numbers, records.count, &records.numbers)) {
        Py_RETURN_NONE;
    }
    records.text_sizes = PyMem_Calloc((size_t)records.count * 2, sizeof(Py_ssize_t));
    if (records.text_sizes == NULL) {
        return PyErr_NoMemory();
    }
    records.sizes = records.text_sizes + records.count;
    result = written(&records);
    PyMem_Free(records.text_sizes);
    return result;
}
