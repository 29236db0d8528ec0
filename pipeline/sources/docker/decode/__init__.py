"""From bytes to lines, without I/O: frames of the API, rows of log files."""
