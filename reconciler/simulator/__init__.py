"""A ComfyUI stand-in over HTTP and websocket that renders real files."""
