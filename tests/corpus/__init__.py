"""A corpus of sound and damaged media files, made by script from a seed; nothing is stored."""
