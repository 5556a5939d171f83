"""Structure of containers: cheap checks that find what decoders pass over in silence.

One module per container; each offers `check(source) -> Structure` and names the specification
that it follows. None decodes anything; each reads headers and tables only.
"""
