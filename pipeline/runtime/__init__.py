"""Runs the agent: wires its parts, reloads its configuration, and selects containers."""
