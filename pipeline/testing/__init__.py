"""What tests, the demo and the benchmarks stand on: builders, kits, and a real private Engine."""
