"""Services that take logs or messages over HTTP, as they document it."""
