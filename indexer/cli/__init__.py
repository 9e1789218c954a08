"""The commands: their arguments and their output. What they do is elsewhere."""
