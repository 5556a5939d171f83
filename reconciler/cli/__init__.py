"""The commands."""

from reconciler.cli.app import main

__all__ = ["main"]
