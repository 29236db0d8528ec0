/* Acknowledgements of JetStream, as they come for a subscription:

   MSG subject7 1 29␍␊
   {"stream":"DOCKLINE","seq":7}␍␊ */

#include "characters.h"

#define MOST_TOKEN 18
#define MOST_SIZE 3
#define MOST_SEQUENCE 19
#define MOST_TEXT 255

typedef struct {
    const byte *at, *end;
} Text;

typedef struct {
    const byte *stream;
    Py_ssize_t stream_size;
    long long token;
} Answer;

static int
take(Text *text, const void *what, Py_ssize_t size)
{
    if (text->end - text->at < size || memcmp(text->at, what, (size_t)size) != 0) {
        return 0;
    }
    text->at += size;
    return 1;
}

#define TAKE(text, literal) take(text, literal, sizeof(literal) - 1)

static void
skip_space(Text *text)
{
    if (text->at < text->end && *text->at == ' ') {
        text->at++;
    }
}

/* A number of so many digits at the most, which are at most 18; -1 where there is none. */
static long long
take_number(Text *text, int most)
{
    long long value = 0;
    int size = 0;
    while (size < most && text->at < text->end && is_digit(*text->at)) {
        value = value * 10 + (*text->at++ - '0');
        size++;
    }
    return size ? value : -1;
}

/* Its number above 0, however large. */
static int
take_sequence(Text *text)
{
    int size = 0;
    if (text->at < text->end && *text->at == '0') {
        return 0;
    }
    while (size < MOST_SEQUENCE && text->at < text->end && is_digit(*text->at)) {
        text->at++;
        size++;
    }
    return size > 0;
}

/* The inside of a JSON string of printable ASCII without escapes, and the quotes around it; its
   length, or 0 where it is something else. */
static Py_ssize_t
take_text(Text *text, const byte **start)
{
    Py_ssize_t size;
    if (!TAKE(text, "\"")) {
        return 0;
    }
    *start = text->at;
    while (text->at < text->end && text->at - *start <= MOST_TEXT && *text->at >= ' '
           && *text->at < 0x7F && *text->at != '"' && *text->at != '\\') {
        text->at++;
    }
    size = text->at - *start;
    return size <= MOST_TEXT && TAKE(text, "\"") ? size : 0;
}

static int
take_body(Text *text, Answer *answer)
{
    const byte *domain;
    if (!TAKE(text, "{\"stream\":")) {
        return 0;
    }
    skip_space(text);
    if ((answer->stream_size = take_text(text, &answer->stream)) == 0 || !TAKE(text, ",")) {
        return 0;
    }
    skip_space(text);
    if (!TAKE(text, "\"seq\":")) {
        return 0;
    }
    skip_space(text);
    if (!take_sequence(text)) {
        return 0;
    }
    for (int place = 0; place < 2 && TAKE(text, ","); place++) {
        skip_space(text);
        if (place == 0 && TAKE(text, "\"domain\":")) {
            skip_space(text);
            if (take_text(text, &domain) == 0) {
                return 0;
            }
            continue;
        }
        if (!TAKE(text, "\"duplicate\":")) {
            return 0;
        }
        skip_space(text);
        if (!TAKE(text, "true")) {
            return 0;
        }
        break;
    }
    return TAKE(text, "}");
}

static int
take_answer(Text *text, const byte *subject, Py_ssize_t subject_size, const char *sid,
            Py_ssize_t sid_size, Answer *answer)
{
    const byte *body, *token;
    long long size;
    if (!TAKE(text, "MSG ") || !take(text, subject, subject_size)) {
        return 0;
    }
    token = text->at;
    if ((answer->token = take_number(text, MOST_TOKEN)) < 0
        || (*token == '0' && text->at - token > 1) || !take(text, sid, sid_size)
        || (size = take_number(text, MOST_SIZE)) < 0 || !TAKE(text, "\r\n")) {
        return 0;
    }
    body = text->at;
    return take_body(text, answer) && text->at - body == size && TAKE(text, "\r\n");
}

static int
append(PyObject *runs, const Answer *first, long long stop)
{
    PyObject *run = Py_BuildValue("y#LL", (const char *)first->stream, first->stream_size,
                                  first->token, stop);
    int done = run != NULL && PyList_Append(runs, run) == 0;
    Py_XDECREF(run);
    return done;
}

static int
goes_on(const Answer *first, long long stop, const Answer *next)
{
    return next->token == stop && next->stream_size == first->stream_size
           && memcmp(next->stream, first->stream, (size_t)next->stream_size) == 0;
}

PyObject *
dockline_acknowledged(PyObject *Py_UNUSED(module), PyObject *arguments)
{
    PyObject *data, *runs;
    const char *subject;
    Py_ssize_t subject_size;
    int sid, sid_size, some = 0;
    char behind[24];
    Answer first = {0}, next;
    long long stop = 0;
    const byte *start, *done;
    Text text;

    if (!PyArg_ParseTuple(arguments, "O!y#i:acknowledged", &PyByteArray_Type, &data, &subject,
                          &subject_size, &sid)) {
        return NULL;
    }
    sid_size = PyOS_snprintf(behind, sizeof behind, " %d ", sid);
    if ((runs = PyList_New(0)) == NULL) {
        return NULL;
    }
    start = done = (const byte *)PyByteArray_AS_STRING(data);
    text.at = start;
    text.end = start + PyByteArray_Size(data);
    while (take_answer(&text, (const byte *)subject, subject_size, behind, sid_size, &next)) {
        done = text.at;
        if (!some || !goes_on(&first, stop, &next)) {
            if (some && !append(runs, &first, stop)) {
                Py_DECREF(runs);
                return NULL;
            }
            first = next;
            some = 1;
        }
        stop = next.token + 1;
    }
    if (some && !append(runs, &first, stop)) {
        Py_DECREF(runs);
        return NULL;
    }
    return Py_BuildValue("nN", done - start, runs);
}
