"""The arguments of routes: the caller, the collection, and limits on what one request may ask.

It answers nothing: that is up to the routes.
"""
