"""Reads the files of the log driver `json-file` directly, without asking dockerd for a line.

`available` says whether a log's files can be read at all. `log_files` follows a log through them.
`inotify` tells when a file has grown or was renamed. `logs/file_reader.py` uses them.

https://docs.docker.com/engine/logging/drivers/json-file/
"""
