"""Batches as requests of the OpenTelemetry protocol, OTLP 1.x, in Protocol Buffers.

`requests` writes them: logs and events as log records (`records`), stats as metrics (`metrics`).
`resource` has the attributes of a container, `values` writes an attribute's value, and `answers`
reads what the server answers.

The protocol: https://opentelemetry.io/docs/specs/otlp/
"""
