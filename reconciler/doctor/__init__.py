"""Checks that tell why a reconciler does not work, and what to do about it."""
