"""Parsers for the formats of log lines, one module each: `parse` turns lines into fields.

They are functions of bytes, without clock or I/O, and never raise: a line that is not in the format
has no fields. The stage `parse` and the sources use them.
"""
