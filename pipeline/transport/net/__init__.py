"""Sockets: addresses, connections that are made or taken, datagrams, TLS, and their errors."""
