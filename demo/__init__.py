"""`make demo`: sample containers, and the agent reading them, from nothing to a full screen."""
