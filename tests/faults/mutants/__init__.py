"""Bugs that are planted on purpose, to show that the tests of faults can fail: `make mutants`."""
