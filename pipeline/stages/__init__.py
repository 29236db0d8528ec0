"""What a route does to entries. One verb, one file; the file name is the key of the stage."""
