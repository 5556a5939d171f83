"""Makes the Postgres row of a ComfyUI job tell the truth about how the job ended."""

__version__ = "0.2.0"
