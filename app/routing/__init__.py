"""What routes take their arguments from: the caller, the collection, limits on what is asked."""
