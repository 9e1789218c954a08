"""HTTP beyond the bodies of requests and answers: headers, problems, connections.

It knows no route; bodies are in ``app.schemas``.
"""
