"""Redis and what speaks its protocol: connections, and RESP as bytes in, values out."""
