/* Lines as UTF-8 texts, with U+FFFD for what is none: `utf8_lines` of `pipeline.model.utf8`. */

#ifndef DOCKLINE_LINES_H
#define DOCKLINE_LINES_H

#include "native.h"

/* The size of a text as UTF-8; as a negative number where it differs from its bytes. */
Py_ssize_t dockline_text_size(const byte *text, Py_ssize_t size);

/* Writes the text that has a negative size. */
byte *dockline_put_mended(byte *to, const byte *text, Py_ssize_t size);

/* `sizes` gets the text size of each line. Whether `lines` is a list of so many bytes, none of
   which has over a sixteenth of the address space. */
int dockline_text_sizes(PyObject *lines, Py_ssize_t count, Py_ssize_t *sizes);

/* Writes one of them, given its size. */
static inline byte *
put_text(byte *to, PyObject *line, Py_ssize_t size)
{
    const byte *text = (const byte *)PyBytes_AS_STRING(line);
    if (size < 0) {
        return dockline_put_mended(to, text, PyBytes_GET_SIZE(line));
    }
    memcpy(to, text, (size_t)size);
    return to + size;
}

#endif
