"""Where entries go. One destination, one file; the file name is the `type` in the configuration."""
