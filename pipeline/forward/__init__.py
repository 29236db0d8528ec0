"""The Fluent forward protocol, version 1: bytes in, values out, for both ends. No I/O.

Everything is MessagePack, one object after the other:

| object                                         | from   | meaning                            |
|------------------------------------------------|--------|------------------------------------|
| `["HELO", {nonce, auth, keepalive}]`           | server | a shared key is asked for          |
| `["PING", host, salt, digest, user, password]` | client | it has the key                     |
| `["PONG", accepted, reason, host, digest]`     | server | it has the key, too; or why not    |
| `[tag, time, record, option?]`                 | client | Message: one entry                 |
| `[tag, [[time, record], …], option?]`          | client | Forward: entries                   |
| `[tag, bytes, option?]`                        | client | PackedForward: entries, in a row   |
| the same, and `option.compressed`              | client | CompressedPackedForward: as gzip   |
| `{"ack": chunk}`                               | server | those of this `option.chunk` are safe |
| nil                                            | client | it is alive                        |

A time is seconds, or an EventTime: extension type 0, seconds and nanoseconds of 32 bits each.
https://github.com/fluent/fluentd/wiki/Forward-Protocol-Specification-v1
"""
