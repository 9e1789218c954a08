"""The routes, a resource each; they check, hand over, and put answers into shape."""
