"""Sinks in one line instead of a file: `dockline run papertrail://… syslog+tls://…`.

`address` is one of them taken apart by `reader`; `addresses` makes the TOML that all of them stand
for.
"""
