/* CRC-32, as gzip and Python's `zlib.crc32` have it. */

#ifndef DOCKLINE_CRC_H
#define DOCKLINE_CRC_H

#include "native.h"

/* Makes the tables; once, as the module is loaded. */
void dockline_prepare_crc(void);

uint32_t dockline_crc(const byte *at, Py_ssize_t size);

/* Four bytes, the lowest first. */
static inline uint32_t
dockline_little(const byte *at)
{
    return at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

#endif
