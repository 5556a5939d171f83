"""Talking to ComfyUI servers: HTTP, websocket, and what their answers mean."""
