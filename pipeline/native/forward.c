/* Columns to entries of the Fluent forward protocol: what `ForwardEncoder._formatted` does.

   An entry is an array of its EventTime and its record, in MessagePack. A record is the number of
   its members; its line as `message`; its sequence number in `event`, a map that the item of
   `rests` for its kind goes on with; and further members. */

#include "lines.h"
#include "moment.h"
#include "numbers.h"
#include "put.h"

#define START "\x92\xd7\x00"                  /* of an array of two: an EventTime of eight bytes, */
#define RECORD "\xdf"                         /* and a map, whose number of members follows */
#define MESSAGE "\xa7message"
#define EVENT "\xa5" "event\x82\xa8sequence\xcf" /* a number of eight bytes follows */

#define MEMBERS_SIZE 4
#define FIXED_SIZE (sizeof START - 1 + 8 + sizeof RECORD - 1 + MEMBERS_SIZE + sizeof EVENT - 1 + 8)
#define MOST_SECONDS INT64_C(0xFFFFFFFF)

#define PUT(to, literal) (memcpy(to, literal, sizeof(literal) - 1), (to) + sizeof(literal) - 1)

typedef struct {
    PyObject *rests; /* a tuple of bytes */
    const byte *kinds;
    Py_ssize_t count;
    const byte *members; /* four bytes for each record */
    PyObject *times;
    PyObject *lines; /* NULL for records without a message */
    Numbers numbers;
    PyObject *more; /* a list of bytes; NULL for none */
} Entries;

static int
are_sound(const Entries *entries)
{
    return dockline_are_choices(entries->kinds, entries->count, entries->rests)
           && dockline_are_bytes(entries->times, entries->count)
           && (entries->lines == NULL || dockline_are_bytes(entries->lines, entries->count))
           && (entries->more == NULL || dockline_are_bytes(entries->more, entries->count));
}

static Py_ssize_t
head_size(Py_ssize_t size)
{
    return size < 32 ? 1 : size < 1 << 8 ? 2 : size < 1 << 16 ? 3 : 5;
}

static byte *
put_big(byte *to, uint64_t value, int size)
{
    for (int shift = (size - 1) * 8; shift >= 0; shift -= 8) {
        *to++ = (byte)(value >> shift);
    }
    return to;
}

/* What stands before a string of so many bytes. */
static byte *
put_head(byte *to, Py_ssize_t size)
{
    switch (head_size(size)) {
    case 1:
        *to++ = (byte)(0xA0 | size);
        return to;
    case 2:
        *to++ = 0xD9;
        return put_big(to, (uint64_t)size, 1);
    case 3:
        *to++ = 0xDA;
        return put_big(to, (uint64_t)size, 2);
    default:
        *to++ = 0xDB;
        return put_big(to, (uint64_t)size, 4);
    }
}

/* Bytes of all entries, or -1 where they are more than there can be, or a number is none. */
static Py_ssize_t
measure(const Entries *entries)
{
    Py_ssize_t total = 0;
    for (Py_ssize_t index = 0; index < entries->count; index++) {
        PyObject *rest = PyTuple_GET_ITEM(entries->rests, entries->kinds[index]);
        Py_ssize_t parts[3] = {PyBytes_GET_SIZE(rest), 0, 0};
        if (dockline_number(&entries->numbers, index) < 0) {
            return -1;
        }
        if (entries->lines != NULL) {
            parts[1] = PyBytes_GET_SIZE(PyList_GET_ITEM(entries->lines, index));
            if (parts[1] > (Py_ssize_t)UINT32_MAX) {
                return -1;
            }
            total += (Py_ssize_t)sizeof MESSAGE - 1 + head_size(parts[1]);
        }
        if (entries->more != NULL) {
            parts[2] = PyBytes_GET_SIZE(PyList_GET_ITEM(entries->more, index));
        }
        total += (Py_ssize_t)FIXED_SIZE;
        for (int part = 0; part < 3; part++) {
            if (parts[part] > PY_SSIZE_T_MAX / 2 - total) {
                return -1;
            }
            total += parts[part];
        }
    }
    return total;
}

/* Seconds since the epoch, as near as four bytes can say them, and nanoseconds. */
static byte *
put_time(byte *to, const Moment *moment)
{
    int64_t seconds = moment->seconds;
    seconds = seconds < 0 ? 0 : seconds > MOST_SECONDS ? MOST_SECONDS : seconds;
    to = put_big(to, (uint64_t)seconds, 4);
    return put_big(to, moment->nanoseconds, 4);
}

/* Whether all times were times. */
static int
write_all(const Entries *entries, byte *to)
{
    Moment moment = {{0}, 0, 0};
    for (Py_ssize_t index = 0; index < entries->count; index++) {
        PyObject *time = PyList_GET_ITEM(entries->times, index);
        if (!dockline_read_moment((const byte *)PyBytes_AS_STRING(time), PyBytes_GET_SIZE(time),
                                  &moment)) {
            return 0;
        }
        to = put_time(PUT(to, START), &moment);
        to = PUT(to, RECORD);
        memcpy(to, entries->members + index * MEMBERS_SIZE, MEMBERS_SIZE);
        to += MEMBERS_SIZE;
        if (entries->lines != NULL) {
            PyObject *line = PyList_GET_ITEM(entries->lines, index);
            to = put_head(PUT(to, MESSAGE), PyBytes_GET_SIZE(line));
            to = put_bytes(to, line);
        }
        to = put_big(PUT(to, EVENT), (uint64_t)dockline_number(&entries->numbers, index), 8);
        to = put_bytes(to, PyTuple_GET_ITEM(entries->rests, entries->kinds[index]));
        if (entries->more != NULL) {
            to = put_bytes(to, PyList_GET_ITEM(entries->more, index));
        }
    }
    return 1;
}

PyObject *
dockline_forward(PyObject *Py_UNUSED(module), PyObject *arguments)
{
    Entries entries;
    Py_ssize_t members_size, total;
    PyObject *numbers, *data;

    if (!PyArg_ParseTuple(arguments, "O!y#y#O!OOO:forward", &PyTuple_Type, &entries.rests,
                          &entries.kinds, &entries.count, &entries.members, &members_size,
                          &PyList_Type, &entries.times, &entries.lines, &numbers, &entries.more)) {
        return NULL;
    }
    entries.lines = entries.lines == Py_None ? NULL : entries.lines;
    entries.more = entries.more == Py_None ? NULL : entries.more;
    if (entries.count < 1 || members_size / MEMBERS_SIZE != entries.count
        || members_size % MEMBERS_SIZE != 0
        || !dockline_numbers(numbers, entries.count, &entries.numbers) || !are_sound(&entries)
        || (total = measure(&entries)) < 0) {
        Py_RETURN_NONE;
    }
    if ((data = PyBytes_FromStringAndSize(NULL, total)) != NULL
        && !write_all(&entries, (byte *)PyBytes_AS_STRING(data))) {
        Py_DECREF(data);
        Py_RETURN_NONE;
    }
    return data;
}
