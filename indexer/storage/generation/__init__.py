"""The vectors of one model: its rows, their writer, their index. The move to another model."""
