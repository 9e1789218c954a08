"""What vectors are like, told and drawn: figures, diagnostics and the map. It keeps nothing."""
