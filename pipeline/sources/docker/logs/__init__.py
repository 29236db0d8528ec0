"""Reads one container's log, over the Engine's API or from its files, until the container is
removed.
"""
