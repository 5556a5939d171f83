"""Telling others: the feed of events, and webhooks."""
