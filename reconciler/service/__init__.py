"""Wires the parts to a service, runs it, and stops it."""
