"""Non-negative least squares: our solver against the packages a user would call, and against references of our own."""
