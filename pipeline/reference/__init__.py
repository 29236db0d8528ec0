"""What documents the configuration, the command line and the metrics, made from their declarations.

`python -m pipeline.reference` writes `settings.md`, `command-line.md` and `metrics.md` in
`docs/reference`, `config/reference.toml` and `config/schema.json`; with `--check` it only tells
whether they are as they should be.
"""
