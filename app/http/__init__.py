"""What requests and answers look like beyond their bodies: headers, problems, connections."""
