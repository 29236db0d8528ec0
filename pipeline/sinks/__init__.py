"""Sinks, the destinations of entries. The name of a file is its `type` in the configuration."""
