"""Bodies of requests and answers, by resource. It knows no route."""
