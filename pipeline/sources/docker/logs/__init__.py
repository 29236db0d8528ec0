"""One container's log, read over the API or from its files, until the container is gone."""
