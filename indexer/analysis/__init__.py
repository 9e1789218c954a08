"""What vectors are like, told and drawn: diagnostics and the map. It keeps nothing."""
