"""What everybody may know: the nouns that travel, and the interfaces of sources, stages and sinks."""
