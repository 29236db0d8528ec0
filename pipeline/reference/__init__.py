"""What documents the configuration and the metrics, made from their declarations.

`python -m pipeline.reference` writes `docs/reference/settings.md`, `docs/reference/metrics.md`,
`config/reference.toml` and `config/schema.json`; with `--check` it only tells whether they are as
they should be.
"""
