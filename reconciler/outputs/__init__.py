"""Output files: noticing them, whose they are, and whether they are whole."""
