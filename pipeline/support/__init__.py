"""General parts that have nothing to do with logs: the event loop, threads, memory, wording."""
