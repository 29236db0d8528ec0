/* Text as the inside of a JSON string. Escaped are quotes, backslashes and control characters, and
   what is no UTF-8 becomes U+FFFD. Of each eight bytes, most are ASCII without control characters:
   these are looked at together. */

#include "quote.h"
#include "utf8.h"

/* The high bit of each byte of `word` that is zero, and of no other. */
static inline uint64_t
zeros_of(uint64_t word)
{
    uint64_t low = EACH_BYTE(0x7F);
    return ~(((word & low) + low) | word | low);
}

/* Whether any of eight bytes is neither printable ASCII nor DEL. */
static inline int
is_odd(uint64_t word)
{
    return ((word | (word - EACH_BYTE(0x20))) & EACH_BYTE(0x80)) != 0;
}

static inline uint64_t
escaped_in(uint64_t word)
{
    return zeros_of(word ^ EACH_BYTE('"')) | zeros_of(word ^ EACH_BYTE('\\'));
}

static inline int
is_escaped(byte each)
{
    return (each == '"') | (each == '\\');
}

/* The letter of a control character's escape; 0 where it has none, and is `\u00XX`. */
static inline byte
letter_of(byte control)
{
    static const char letters[] = "\0\0\0\0\0\0\0\0btn\0fr";
    return control < 14 ? (byte)letters[control] : 0;
}

/* What one character becomes, or what is none; `*at` moves behind it. */
static inline Py_ssize_t
one_size(const byte **at, const byte *end)
{
    byte each = **at;
    int size;
    if (each < 0x80) {
        *at += 1;
        return each >= 0x20 ? 1 + is_escaped(each) : letter_of(each) ? 2 : 6;
    }
    size = size_of_character(*at, end);
    *at += size < 0 ? -size : size;
    return size < 0 ? REPLACEMENT_SIZE : size;
}

static inline byte *
put_one(byte *to, const byte **at, const byte *end)
{
    static const char digits[] = "0123456789abcdef";
    byte each = **at;
    int size;
    if (each >= 0x80) {
        if ((size = size_of_character(*at, end)) < 0) {
            memcpy(to, REPLACEMENT, REPLACEMENT_SIZE);
            *at -= size;
            return to + REPLACEMENT_SIZE;
        }
        memcpy(to, *at, (size_t)size);
        *at += size;
        return to + size;
    }
    *at += 1;
    if (each >= 0x20) {
        if (is_escaped(each)) {
            *to++ = '\\';
        }
        *to++ = each;
        return to;
    }
    *to++ = '\\';
    if (letter_of(each)) {
        *to++ = letter_of(each);
        return to;
    }
    memcpy(to, "u00", 3);
    to[3] = (byte)digits[each >> 4];
    to[4] = (byte)digits[each & 15];
    return to + 5;
}

Py_ssize_t
dockline_quoted_size(const byte *text, Py_ssize_t size)
{
    const byte *at = text, *end = text + size;
    Py_ssize_t found = 0;
    while (at < end) {
        uint64_t word;
        if (end - at >= 8 && !is_odd(word = eight_bytes(at))) {
            found += 8 + (Py_ssize_t)((escaped_in(word) >> 7) * EACH_BYTE(1) >> 56);
            at += 8;
        }
        else {
            found += one_size(&at, end);
        }
    }
    return found;
}

byte *
dockline_put_quoted(byte *to, const byte *text, Py_ssize_t size)
{
    const byte *at = text, *end = text + size;
    while (at < end) {
        uint64_t word;
        if (end - at < 8 || is_odd(word = eight_bytes(at))) {
            to = put_one(to, &at, end);
            continue;
        }
        if (escaped_in(word) == 0) {
            memcpy(to, at, 8);
            to += 8;
        }
        else {
            for (int index = 0; index < 8; index++) {
                *to = '\\'; /* written over where it is not wanted */
                to += is_escaped(at[index]);
                *to++ = at[index];
            }
        }
        at += 8;
    }
    return to;
}
