"""What documents the configuration, made from the Structs that it is read with.

`python -m pipeline.reference` writes `docs/reference/settings.md`, `config/reference.toml` and
`config/schema.json`; with `--check` it only tells whether they are as they should be.
"""
