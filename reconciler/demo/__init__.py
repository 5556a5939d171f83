"""The demonstration: jobs that end in every way, a live table, and a comparison with the truth."""
