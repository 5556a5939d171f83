"""Pictures of outputs: thumbnails, contact sheets, short animations; and of what runs now."""
