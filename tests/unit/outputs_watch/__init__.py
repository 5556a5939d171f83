"""Listing, mounts and the settle rule."""
