"""HTTP beyond the bodies of requests and answers: headers, problems, connections."""
