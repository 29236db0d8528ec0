"""Talks to the Docker Engine's API: finds its address, sends requests, reads log streams."""
