"""What everybody may know: the nouns that travel, and what sources, stages and sinks promise."""
