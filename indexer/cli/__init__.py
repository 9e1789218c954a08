"""The commands: how they are called and what they print. What they do is elsewhere."""
