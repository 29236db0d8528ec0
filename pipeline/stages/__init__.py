"""What a route does to the entries of a batch. One verb, one file; the file name is the key in the configuration."""
