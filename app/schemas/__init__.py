"""What travels over HTTP, by resource. It knows no route."""
