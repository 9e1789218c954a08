"""Document stores of frameworks, over a collection or over a service; a file for each framework."""
