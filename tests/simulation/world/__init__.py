"""What the agent sees of the world: time, threads, files, sockets, processes, chance."""
