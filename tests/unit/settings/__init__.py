"""Tests of reconciler.settings."""
