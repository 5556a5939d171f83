"""What nobody may need any more goes: one task for each kind, in small batches."""
