/* Columns to entries of a Loki stream, each as a field of a `StreamAdapter`: what
   `Protobuf.entries` of `pipeline.encode.loki.wire` does.

   An entry is its time, its line, the item of `facts` for its kind, its sequence number as
   structured metadata, and further structured metadata. */

#include "lines.h"
#include "moment.h"
#include "numbers.h"
#include "protobuf.h"

#define ENTRY KEY(2, DELIMITED)    /* of a StreamAdapter */
#define TIME KEY(1, DELIMITED)     /* of an EntryAdapter */
#define LINE KEY(2, DELIMITED)
#define METADATA KEY(3, DELIMITED)
#define SECONDS KEY(1, VARINT)     /* of a Timestamp */
#define NANOSECONDS KEY(2, VARINT)
#define VALUE KEY(2, DELIMITED)    /* of a LabelPair */

#define NANOSECONDS_SIZE 5 /* always, so that the size of a time depends on its second only */

typedef struct {
    PyObject *facts; /* a tuple of bytes */
    const byte *kinds;
    Py_ssize_t count;
    PyObject *times;
    PyObject *lines;
    PyObject *name; /* of the number, as the field of a LabelPair; empty for no number */
    Numbers numbers;
    PyObject *more; /* a list of bytes; NULL for none */
    Py_ssize_t *text_sizes;
    Py_ssize_t *sizes; /* of the entries */
} Entries;

static int
are_sound(const Entries *entries)
{
    return dockline_are_choices(entries->kinds, entries->count, entries->facts)
           && dockline_are_bytes(entries->times, entries->count)
           && (entries->more == NULL || dockline_are_bytes(entries->more, entries->count))
           && dockline_text_sizes(entries->lines, entries->count, entries->text_sizes);
}

static Py_ssize_t
pair_size(const Entries *entries, long long number)
{
    return PyBytes_GET_SIZE(entries->name) + delimited_size(digits_of((uint64_t)number));
}

static Py_ssize_t
time_size(const Moment *moment)
{
    return 2 + varint_size((uint64_t)moment->seconds) + NANOSECONDS_SIZE;
}

static int
read_time(const Entries *entries, Py_ssize_t index, Moment *moment)
{
    PyObject *time = PyList_GET_ITEM(entries->times, index);
    return dockline_read_moment((const byte *)PyBytes_AS_STRING(time), PyBytes_GET_SIZE(time),
                                moment)
           && moment->seconds >= 0;
}

/* Bytes of all entries with what stands before each, or -1 where they are more than there can be,
   or a time or a number is none. */
static Py_ssize_t
measure(const Entries *entries)
{
    Moment moment = {{0}, 0, 0};
    Py_ssize_t total = 0;
    for (Py_ssize_t index = 0; index < entries->count; index++) {
        Py_ssize_t text = entries->text_sizes[index], size;
        if (!read_time(entries, index, &moment)) {
            return -1;
        }
        size = delimited_size(time_size(&moment)) + delimited_size(text < 0 ? -text : text)
               + PyBytes_GET_SIZE(PyTuple_GET_ITEM(entries->facts, entries->kinds[index]));
        if (PyBytes_GET_SIZE(entries->name)) {
            long long number = dockline_number(&entries->numbers, index);
            if (number < 0) {
                return -1;
            }
            size += delimited_size(pair_size(entries, number));
        }
        if (entries->more != NULL) {
            size += PyBytes_GET_SIZE(PyList_GET_ITEM(entries->more, index));
        }
        entries->sizes[index] = size;
        size = delimited_size(size);
        if (size > PY_SSIZE_T_MAX / 2 - total) {
            return -1;
        }
        total += size;
    }
    return total;
}

static byte *
put_time(byte *to, const Moment *moment)
{
    uint32_t nanoseconds = moment->nanoseconds;
    to = put_head(to, TIME, time_size(moment));
    *to++ = SECONDS;
    to = put_varint(to, (uint64_t)moment->seconds);
    *to++ = NANOSECONDS;
    for (int index = 0; index < NANOSECONDS_SIZE - 1; index++) {
        *to++ = (byte)(nanoseconds | 0x80);
        nanoseconds >>= 7;
    }
    *to++ = (byte)nanoseconds;
    return to;
}

static byte *
put_number(byte *to, const Entries *entries, long long number)
{
    to = put_head(to, METADATA, pair_size(entries, number));
    to = put_bytes(to, entries->name);
    to = put_head(to, VALUE, digits_of((uint64_t)number));
    return put_digits(to, (uint64_t)number);
}

static void
write_all(const Entries *entries, byte *to)
{
    Moment moment = {{0}, 0, 0};
    for (Py_ssize_t index = 0; index < entries->count; index++) {
        Py_ssize_t text = entries->text_sizes[index];
        read_time(entries, index, &moment);
        to = put_head(to, ENTRY, entries->sizes[index]);
        to = put_time(to, &moment);
        to = put_head(to, LINE, text < 0 ? -text : text);
        to = put_text(to, PyList_GET_ITEM(entries->lines, index), text);
        to = put_bytes(to, PyTuple_GET_ITEM(entries->facts, entries->kinds[index]));
        if (PyBytes_GET_SIZE(entries->name)) {
            to = put_number(to, entries, dockline_number(&entries->numbers, index));
        }
        if (entries->more != NULL) {
            to = put_bytes(to, PyList_GET_ITEM(entries->more, index));
        }
    }
}

static PyObject *
written(const Entries *entries)
{
    Py_ssize_t total;
    PyObject *data;
    if (!are_sound(entries) || (total = measure(entries)) < 0) {
        Py_RETURN_NONE;
    }
    if ((data = PyBytes_FromStringAndSize(NULL, total)) != NULL) {
        write_all(entries, (byte *)PyBytes_AS_STRING(data));
    }
    return data;
}

PyObject *
dockline_loki(PyObject *Py_UNUSED(module), PyObject *arguments)
{
    Entries entries;
    PyObject *numbers, *result;

    if (!PyArg_ParseTuple(arguments, "O!y#O!OSOO:loki", &PyTuple_Type, &entries.facts,
                          &entries.kinds, &entries.count, &PyList_Type, &entries.times,
                          &entries.lines, &entries.name, &numbers, &entries.more)) {
        return NULL;
    }
    entries.more = entries.more == Py_None ? NULL : entries.more;
    if (entries.count < 1 || PyBytes_GET_SIZE(entries.name) > 100
        || !dockline_numbers(numbers, entries.count, &entries.numbers)) {
        Py_RETURN_NONE;
    }
    entries.text_sizes = PyMem_Calloc((size_t)entries.count * 2, sizeof(Py_ssize_t));
    if (entries.text_sizes == NULL) {
        return PyErr_NoMemory();
    }
    entries.sizes = entries.text_sizes + entries.count;
    result = written(&entries);
    PyMem_Free(entries.text_sizes);
    return result;
}
