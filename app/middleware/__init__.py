"""The middleware that every request passes before its route, one class each; app.main orders it.

The arguments that a route takes from a request are in app.routing.requests.
"""
