"""Warnings about a valid configuration, and errors among stages that are valid one by one."""
