"""Logs that the driver `json-file` keeps, read where they are: dockerd is not asked for a line.

`lines` makes lines of bytes, `files` follows a log through its files, `inotify` tells when there is
something to read, `place` says where a file was read to, `local` whether a log can be read at all,
and `reading` does it.

https://docs.docker.com/engine/logging/drivers/json-file/
"""
