"""The running agent: what wires everything, reloads it, and chooses containers."""
