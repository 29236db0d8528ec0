"""The running agent's HTTP endpoints, and who may use them."""
