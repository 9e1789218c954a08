"""Document stores for frameworks, over a collection or a service; a file for each framework.

They store and search nothing themselves.
"""
