"""Webhooks: what is in the outbox is told to its endpoints, as Standard Webhooks specifies."""
