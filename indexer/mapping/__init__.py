"""Collections drawn on a plane: pure functions on vectors, neighbours and words."""
