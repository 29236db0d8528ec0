"""Decodes logs into lines, without I/O: frames of the Engine's API, rows of json-files."""
