/* CRC-32, eight bytes at a time. */

#include "crc.h"

#define STEP 8

static uint32_t table[STEP][256];

void
dockline_prepare_crc(void)
{
    for (uint32_t index = 0; index < 256; index++) {
        uint32_t value = index;
        for (int bit = 0; bit < 8; bit++) {
            value = value >> 1 ^ (value & 1 ? UINT32_C(0xEDB88320) : 0);
        }
        table[0][index] = value;
    }
    for (int more = 1; more < STEP; more++) {
        for (int index = 0; index < 256; index++) {
            uint32_t value = table[more - 1][index];
            table[more][index] = value >> 8 ^ table[0][value & 0xFF];
        }
    }
}

uint32_t
dockline_crc(const byte *at, Py_ssize_t size)
{
    uint32_t crc = UINT32_C(0xFFFFFFFF);
    for (; size >= STEP; size -= STEP, at += STEP) {
        uint32_t more = dockline_little(at + 4);
        crc ^= dockline_little(at);
        crc = table[7][crc & 0xFF] ^ table[6][crc >> 8 & 0xFF] ^ table[5][crc >> 16 & 0xFF]
              ^ table[4][crc >> 24] ^ table[3][more & 0xFF] ^ table[2][more >> 8 & 0xFF]
              ^ table[1][more >> 16 & 0xFF] ^ table[0][more >> 24];
    }
    while (size-- > 0) {
        crc = crc >> 8 ^ table[0][(crc ^ *at++) & 0xFF];
    }
    return ~crc;
}
