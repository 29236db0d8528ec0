"""Finds the Engine's containers: which there are, their facts, and the events that happen to
them.
"""
