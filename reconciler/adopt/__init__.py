"""Recognises a jobs table that nobody made for us: facts, a proposal with reasons, and its file."""
