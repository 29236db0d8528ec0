"""How bytes leave: one connection or socket per destination, and what went wrong, in a sentence.

Knows addresses, sockets, TLS and blocking files; knows no message format.
"""
