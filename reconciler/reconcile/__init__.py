"""One pass over all open jobs: gather the evidence, decide, write."""
