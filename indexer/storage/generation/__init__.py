"""The vectors of one model: its rows, their writer, their index. The move to another model.

Texts and metadata are in ``sqlite``, the kinds of index in ``ann``.
"""
