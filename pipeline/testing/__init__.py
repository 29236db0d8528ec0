"""Parts shared by tests, the demo and the benchmarks: builders, test kits, receivers, and a private
Docker Engine."""
