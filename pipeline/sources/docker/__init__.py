"""The Docker Engine (and Podman through the same API) as a source of logs, stats and events."""
