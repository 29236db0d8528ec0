/* What the loops that write Protocol Buffers share: see `pipeline.encode.protobuf`. */

#ifndef DOCKLINE_PROTOBUF_H
#define DOCKLINE_PROTOBUF_H

#include "put.h"

#define KEY(field, kind) ((byte)((field) << 3 | (kind)))
#define VARINT 0
#define FIXED64 1
#define DELIMITED 2

static inline Py_ssize_t
varint_size(uint64_t value)
{
    Py_ssize_t size = 1;
    while (value > 0x7F) {
        value >>= 7;
        size++;
    }
    return size;
}

static inline byte *
put_varint(byte *to, uint64_t value)
{
    while (value > 0x7F) {
        *to++ = (byte)(value | 0x80);
        value >>= 7;
    }
    *to++ = (byte)value;
    return to;
}

/* A field of so many bytes, with its key of one byte. */
static inline Py_ssize_t
delimited_size(Py_ssize_t size)
{
    return 1 + varint_size((uint64_t)size) + size;
}

static inline byte *
put_head(byte *to, byte key, Py_ssize_t size)
{
    *to++ = key;
    return put_varint(to, (uint64_t)size);
}

#endif
