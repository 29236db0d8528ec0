"""Formats of lines, one module each: from the lines of a batch to the fields of each.

Plain functions of bytes, without a clock and without I/O. None raises, whatever the bytes: a line
that is not of a format has no fields. The stage `parse` chooses among them.
"""
