"""What every request passes before its route: a class each, put in order by app.main.

What a route itself needs of a request is in app.routing.requests.
"""
