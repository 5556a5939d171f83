"""One job: what is the case, what happens next, how it came about, and what came out."""
