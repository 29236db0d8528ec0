"""Those whom the agent talks to, played by the world: a Docker Engine and each kind of receiver."""
