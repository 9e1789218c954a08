"""Documents in, unit vectors kept, nearest documents out. A library; it knows no HTTP."""
