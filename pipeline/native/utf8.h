/* Bytes that should be UTF-8, a character at a time, as Python's own decoder tells them apart. */

#ifndef DOCKLINE_UTF8_H
#define DOCKLINE_UTF8_H

#include "native.h"

#define EACH_BYTE(value) (UINT64_C(0x0101010101010101) * (value))

/* U+FFFD stands for what is no character. */
#define REPLACEMENT "\xEF\xBF\xBD"
#define REPLACEMENT_SIZE 3

/* The size of the character at `at`, of at least 0x80; or, below 0, of the bytes that are none and
   for which one U+FFFD stands. */
static inline int
size_of_character(const byte *at, const byte *end)
{
    byte first = at[0], lowest = 0x80, highest = 0xBF;
    int size;
    if (first >= 0xC2 && first <= 0xDF) {
        size = 2;
    }
    else if ((first & 0xF0) == 0xE0) {
        size = 3;
        lowest = first == 0xE0 ? 0xA0 : 0x80;
        highest = first == 0xED ? 0x9F : 0xBF;
    }
    else if (first >= 0xF0 && first <= 0xF4) {
        size = 4;
        lowest = first == 0xF0 ? 0x90 : 0x80;
        highest = first == 0xF4 ? 0x8F : 0xBF;
    }
    else {
        return -1;
    }
    if (end - at < 2 || at[1] < lowest || at[1] > highest) {
        return -1;
    }
    for (int index = 2; index < size; index++) {
        if (end - at <= index || (at[index] & 0xC0) != 0x80) {
            return -index;
        }
    }
    return size;
}

static inline uint64_t
eight_bytes(const byte *at)
{
    uint64_t word;
    memcpy(&word, at, 8);
    return word;
}

#endif
