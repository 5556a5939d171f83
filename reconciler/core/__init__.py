"""Pure rules: what a job is, what is known of it, and what its row should say. No I/O, no clock."""
