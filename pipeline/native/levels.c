/* The level that each message tells: `LevelInText` of `pipeline.parsing.level`, for messages without
   colours, and not for those that may be a stack trace. */

#include "known.h"

#define HEAD 128
#define TRACED 2048
#define ESCAPE 0x1b
#define ASK 9

static int
is_quote(byte each)
{
    return each == '"' || each == '\'';
}

/* Whether it makes a word in capitals a part of another. */
static int
is_joint(byte each)
{
    return each == '.' || each == '=' || each == '/' || each == '-';
}

/* Letters, digits and underscores from there on. */
static Py_ssize_t
word_size(const byte *at, const byte *end)
{
    const byte *from = at;
    while (at < end && is_word(*at)) {
        at++;
    }
    return at - from;
}

/* Whether a text in lower case stands there, in any case. */
static int
stands_at(const byte *at, const byte *end, const char *text)
{
    for (; *text != 0; text++, at++) {
        if (at == end || (is_letter(*at) ? *at | 0x20 : *at) != (byte)*text) {
            return 0;
        }
    }
    return 1;
}

/* Whether a text stands there in which 0 means a digit. */
static int
has_form(const byte *at, const byte *end, const char *form)
{
    for (; *form != 0; form++, at++) {
        if (at == end || (*form == '0' ? !is_digit(*at) : *at != (byte)*form)) {
            return 0;
        }
    }
    return 1;
}

/* What stands at the beginning: a priority, a word in angle brackets or before a colon, or a level
   as klog writes it. Whether there is one; it may mean UNKNOWN. */
static int
begins(const words *known, const byte *head, const byte *end, byte *severity)
{
    const byte *at = head;
    int angle = head < end && *head == '<';
    Py_ssize_t size;

    if (angle) {
        int priority = 0;
        for (at++; at < end && at - head <= 3 && is_digit(*at); at++) {
            priority = 10 * priority + *at - '0';
        }
        if (at > head + 1 && at < end && *at == '>') {
            *severity = priority < 192 ? (byte)(priority % 8) : UNKNOWN;
            return 1;
        }
        at = head + 1;
    }
    else if (head < end && memchr("IWEF", *head, 4) != NULL
             && has_form(head + 1, end, "0000 00:00:00")) {
        *severity = dockline_severity_of(known, head, 1, VALUE);
        return 1;
    }
    size = word_size(at, end);
    if (size == 0 || at + size == end) {
        return 0;
    }
    if (angle) {
        if (at[size] != '>') {
            return 0;
        }
    }
    else if (at[size] != ':' || (at + size + 1 < end && !is_space(at[size + 1]))) {
        return 0;
    }
    *severity = dockline_severity_of(known, at, size, BEFORE_COLON);
    return *severity != UNKNOWN;
}

/* The size of a key of which `at` is the first byte; 0 if it is none. */
static Py_ssize_t
key_size(const byte *at, const byte *end)
{
    if ((*at | 0x20) == 's') {
        return stands_at(at + 1, end, "everity") ? 8 : 0;
    }
    if (stands_at(at + 1, end, "evel")) {
        return stands_at(at + 5, end, "name") ? 9 : 5;
    }
    if (stands_at(at + 1, end, "vl")) {
        return 3;
    }
    if (stands_at(at + 1, end, "og")) {
        Py_ssize_t size = 3 + (at + 3 < end && (at[3] == '.' || at[3] == '_'));
        return stands_at(at + size, end, "level") ? size + 5 : 0;
    }
    return 0;
}

/* Whether a key with a value stands there; the value may mean UNKNOWN. */
static int
is_key(const words *known, const byte *at, const byte *end, byte *severity)
{
    Py_ssize_t size = key_size(at, end);
    if (size == 0) {
        return 0;
    }
    at += size;
    at += at < end && is_quote(*at);
    at += at < end && is_space(*at);
    if (at == end || (*at != '=' && *at != ':')) {
        return 0;
    }
    at++;
    at += at < end && is_space(*at);
    at += at < end && is_quote(*at);
    if ((size = word_size(at, end)) == 0) {
        return 0;
    }
    *severity = dockline_severity_of(known, at, size, VALUE);
    return 1;
}

static int
is_bracketed(const words *known, const byte *at, const byte *end, byte *severity)
{
    Py_ssize_t size;
    at++;
    at += at < end && is_space(*at);
    size = word_size(at, end);
    const byte *close = at + size;
    while (close < end && is_space(*close)) {
        close++;
    }
    if (size == 0 || close == end || *close != ']') {
        return 0;
    }
    *severity = dockline_severity_of(known, at, size, BRACKETED);
    return *severity != UNKNOWN;
}

/* Whether a word in capitals stands there by itself. */
static int
is_in_capitals(const words *known, const byte *at, Py_ssize_t size, const byte *end, byte *severity)
{
    const byte *after = at + size;
    int before_colon = end - after > 1 && *after == ':' && is_space(after[1]);
    for (const byte *each = at; each < after; each++) {
        if (!is_capital(*each)) {
            return 0;
        }
    }
    if (!before_colon && after < end && is_joint(*after)) {
        return 0;
    }
    *severity = dockline_severity_of(known, at, size, before_colon ? BEFORE_COLON : ALONE);
    return *severity != UNKNOWN;
}

/* Marks each place at which a byte from `low` to `high` stands. */
static void
add(byte *restrict marks, const byte *restrict text, byte low, byte high)
{
    for (int index = 0; index < HEAD; index++) {
        marks[index] |= (byte)(text[index] - low) <= (byte)(high - low);
    }
}

/* Takes the mark from each of these places. */
static void
take(byte *restrict marks, const byte *restrict text, byte low, byte high)
{
    for (int index = 0; index < HEAD; index++) {
        marks[index] &= (byte)(text[index] - low) > (byte)(high - low);
    }
}

/* Marks each byte that may begin one of these: a bracket; a capital, or a key's first letter, with no
   part of a word before it. `text` has a byte before and HEAD of them. Each loop is one of vector
   instructions, which all of them together would not be. */
static void
mark(byte *restrict marks, const byte *restrict text)
{
    memset(marks, 0, HEAD);
    add(marks, text + 1, 'A', 'Z');
    add(marks, text + 1, 'l', 'l');
    add(marks, text + 1, 's', 's');
    take(marks, text, 'A', 'Z');
    take(marks, text, 'a', 'z');
    take(marks, text, '0', '9');
    take(marks, text, '_', '_');
    add(marks, text + 1, '[', '[');
}

/* The first of these in the head. */
static byte
inside(const words *known, const byte *head, Py_ssize_t size)
{
    byte text[1 + HEAD] = {0}, marks[HEAD], severity;
    const byte *end = text + 1 + size;

    memcpy(text + 1, head, (size_t)size);
    mark(marks, text);
    for (Py_ssize_t index = 0; index < size; index++) {
        const byte *at = text + 1 + index;
        uint64_t eight;
        if (index % 8 == 0) {
            memcpy(&eight, marks + index, 8);
            if (eight == 0) {
                index += 7;
                continue;
            }
        }
        if (marks[index] == 0) {
            continue;
        }
        byte small = *at | 0x20;
        if (*at == '[') {
            if (is_bracketed(known, at, end, &severity)) {
                return severity;
            }
        }
        else if ((small == 'l' || small == 's') && is_key(known, at, end, &severity)) {
            return severity;
        }
        else if (is_capital(*at) && !is_joint(at[-1])
                 && is_in_capitals(known, at, word_size(at, end), end, &severity)) {
            return severity;
        }
    }
    return UNKNOWN;
}

/* Whether it may be a stack trace: it begins with the name of an exception and has more lines, or
   with a text that says so. */
static int
may_be_trace(const byte *line, Py_ssize_t size, PyObject *traces)
{
    for (Py_ssize_t which = 0; which < PyTuple_GET_SIZE(traces); which++) {
        PyObject *text = PyTuple_GET_ITEM(traces, which);
        Py_ssize_t length = PyBytes_GET_SIZE(text);
        if (length <= size && memcmp(line, PyBytes_AS_STRING(text), (size_t)length) == 0) {
            return 1;
        }
    }
    return size > 0 && (is_letter(*line) || *line == '_' || *line == '$')
        && memchr(line, '\n', (size_t)(size < TRACED ? size : TRACED)) != NULL;
}

static byte
level_of(const words *known, PyObject *traces, const byte *line, Py_ssize_t size)
{
    const byte *end = line + (size < HEAD ? size : HEAD);
    byte severity;
    if (memchr(line, ESCAPE, (size_t)(end - line)) != NULL) {
        return ASK;
    }
    if (begins(known, line, end, &severity)) {
        return severity;
    }
    return may_be_trace(line, size, traces) ? ASK : inside(known, line, end - line);
}

PyObject *
dockline_levels(PyObject *Py_UNUSED(module), PyObject *arguments)
{
    PyObject *lines, *severities, *uses, *traces, *levels;
    words known;
    Py_ssize_t count;

    if (!PyArg_ParseTuple(arguments, "O!O!SSO!:levels", &PyList_Type, &lines, &PyTuple_Type,
                          &known.texts, &severities, &uses, &PyTuple_Type, &traces)) {
        return NULL;
    }
    count = PyList_GET_SIZE(lines);
    if (!dockline_are_bytes(lines, count) || !dockline_are_texts(known.texts) || !dockline_are_texts(traces)) {
        PyErr_SetString(PyExc_TypeError, "levels: lines and words are bytes");
        return NULL;
    }
    if (PyBytes_GET_SIZE(severities) != PyTuple_GET_SIZE(known.texts)
        || PyBytes_GET_SIZE(uses) != PyTuple_GET_SIZE(known.texts)) {
        PyErr_SetString(PyExc_ValueError, "levels: each word has a severity and a use");
        return NULL;
    }
    known.severities = (const byte *)PyBytes_AS_STRING(severities);
    known.uses = (const byte *)PyBytes_AS_STRING(uses);
    dockline_note_words(&known);
    if ((levels = PyBytes_FromStringAndSize(NULL, count)) == NULL) {
        return NULL;
    }
    for (Py_ssize_t index = 0; index < count; index++) {
        PyObject *line = PyList_GET_ITEM(lines, index);
        PyBytes_AS_STRING(levels)[index] = (char)level_of(
            &known, traces, (const byte *)PyBytes_AS_STRING(line), PyBytes_GET_SIZE(line)
        );
    }
    return levels;
}
