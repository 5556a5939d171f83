"""Mutated files through the checks of structure: `make fuzz`, or a small round with the tests."""
