/* The extension `pipeline.native._loops`: the loops of this folder under their names. */

#include "crc.h"

PyObject *
dockline_pack(PyObject *lines, PyObject *times, PyObject *streams, PyObject *end)
{
    PyObject *packed = NULL;
    if (lines != NULL && times != NULL && streams != NULL && end != NULL) {
        packed = PyTuple_Pack(4, lines, times, streams, end);
    }
    Py_XDECREF(lines);
    Py_XDECREF(times);
    Py_XDECREF(streams);
    Py_XDECREF(end);
    return packed;
}

static PyMethodDef methods[] = {
    {"rows", dockline_rows, METH_VARARGS, NULL},
    {"frames", dockline_frames, METH_VARARGS, NULL},
    {"syslog", dockline_syslog, METH_VARARGS, NULL},
    {"interleave", dockline_interleave, METH_VARARGS, NULL},
    {"otlp", dockline_otlp, METH_VARARGS, NULL},
    {"loki", dockline_loki, METH_VARARGS, NULL},
    {"forward", dockline_forward, METH_VARARGS, NULL},
    {"select", dockline_select, METH_VARARGS, NULL},
    {"total", dockline_total, METH_O, NULL},
    {"newest", dockline_newest, METH_O, NULL},
    {"epochs", dockline_epochs, METH_VARARGS, NULL},
    {"packed", dockline_packed, METH_VARARGS, NULL},
    {"counted", dockline_counted, METH_VARARGS, NULL},
    {"datagrams", dockline_datagrams, METH_VARARGS, NULL},
    {"longest", dockline_longest, METH_O, NULL},
    {"single", dockline_single, METH_O, NULL},
    {"ends", dockline_ends, METH_VARARGS, NULL},
    {"published", dockline_published, METH_VARARGS, NULL},
    {"acknowledged", dockline_acknowledged, METH_VARARGS, NULL},
    {"occurrences", dockline_occurrences, METH_VARARGS, NULL},
    {"mentions", dockline_mentions, METH_VARARGS, NULL},
    {"cards", dockline_cards, METH_O, NULL},
    {"openings", dockline_openings, METH_VARARGS, NULL},
    {"groups", dockline_groups, METH_VARARGS, NULL},
    {"levels", dockline_levels, METH_VARARGS, NULL},
    {"access", dockline_access, METH_VARARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static int
fill(PyObject *module)
{
    dockline_prepare_crc();
    return PyModule_AddIntConstant(module, "INTERFACE", 10);
}

static PyModuleDef_Slot slots[] = {
    {Py_mod_exec, fill},
    {0, NULL},
};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT,
    .m_name = "pipeline.native._loops",
    .m_doc = "The hottest loops, compiled. `pipeline.native.Loops` says what each takes and gives.",
    .m_size = 0,
    .m_methods = methods,
    .m_slots = slots,
};

PyMODINIT_FUNC
PyInit__loops(void)
{
    return PyModuleDef_Init(&definition);
}
