/* Lines to UTF-8. Most are ASCII, of which eight bytes are looked at together. */

#include "lines.h"
#include "utf8.h"

static int
is_ascii(const byte *text, Py_ssize_t size)
{
    const byte *end = text + size;
    uint64_t high = 0;
    for (; end - text >= 8; text += 8) {
        high |= eight_bytes(text);
    }
    for (; text < end; text++) {
        high |= *text;
    }
    return (high & EACH_BYTE(0x80)) == 0;
}

Py_ssize_t
dockline_text_size(const byte *text, Py_ssize_t size)
{
    const byte *end = text + size;
    Py_ssize_t found = 0;
    int mended = 0;
    if (is_ascii(text, size)) {
        return size;
    }
    while (text < end) {
        int taken = *text < 0x80 ? 1 : size_of_character(text, end);
        mended |= taken < 0;
        found += taken < 0 ? REPLACEMENT_SIZE : taken;
        text += taken < 0 ? -taken : taken;
    }
    return mended ? -found : found;
}

byte *
dockline_put_mended(byte *to, const byte *text, Py_ssize_t size)
{
    const byte *end = text + size;
    while (text < end) {
        int taken = *text < 0x80 ? 1 : size_of_character(text, end);
        if (taken < 0) {
            memcpy(to, REPLACEMENT, REPLACEMENT_SIZE);
            to += REPLACEMENT_SIZE;
            text -= taken;
        }
        else {
            memcpy(to, text, (size_t)taken);
            to += taken;
            text += taken;
        }
    }
    return to;
}

int
dockline_text_sizes(PyObject *lines, Py_ssize_t count, Py_ssize_t *sizes)
{
    if (!PyList_CheckExact(lines) || PyList_GET_SIZE(lines) != count) {
        return 0;
    }
    for (Py_ssize_t index = 0; index < count; index++) {
        PyObject *line = PyList_GET_ITEM(lines, index);
        if (!PyBytes_CheckExact(line) || PyBytes_GET_SIZE(line) > PY_SSIZE_T_MAX / 16) {
            return 0;
        }
        sizes[index] = dockline_text_size((const byte *)PyBytes_AS_STRING(line),
                                          PyBytes_GET_SIZE(line));
    }
    return 1;
}
