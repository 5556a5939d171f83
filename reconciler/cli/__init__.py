"""The commands: `main` is the console script `reconciler`."""

from reconciler.cli.app import main

__all__ = ["main"]
