"""The Engine's API: where it is, requests to it, and the bytes of log streams."""
