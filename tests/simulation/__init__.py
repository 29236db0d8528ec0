"""The agent whole, in a simulated world: see docs/explain/simulation.md."""
