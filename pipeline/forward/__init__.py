"""The Fluent forward protocol, version 1, for both ends.

Everything is MessagePack, one object after the other:

| object                                         | from   | meaning                               |
|------------------------------------------------|--------|---------------------------------------|
| `["HELO", {nonce, auth, keepalive}]`           | server | asks for the shared key               |
| `["PING", host, salt, digest, user, password]` | client | proves that it has the key            |
| `["PONG", accepted, reason, host, digest]`     | server | proves it too, or says why it refuses |
| `[tag, time, record, option?]`                 | client | Message: one entry                    |
| `[tag, [[time, record], …], option?]`          | client | Forward: entries                      |
| `[tag, bytes, option?]`                        | client | PackedForward: entries in MessagePack |
| the same with `option.compressed`              | client | CompressedPackedForward: gzip         |
| `{"ack": chunk}`                               | server | acknowledges an `option.chunk`        |
| nil                                            | client | heartbeat                             |

A time is seconds, or an EventTime: extension type 0, seconds and nanoseconds of 32 bits each. All
modules but `session` and `heartbeats` are free of I/O: bytes in, values out.
https://github.com/fluent/fluentd/wiki/Forward-Protocol-Specification-v1
"""
