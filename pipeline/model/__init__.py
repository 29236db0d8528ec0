"""What everybody may know: the nouns that travel, and what a source, a stage and a sink promise."""
