"""Histories that found something, or would: each a script, followed by every run."""
