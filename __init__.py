"""A clone of this repository inside ComfyUI's custom_nodes is the node pack."""

if __package__:  # pytest imports this file as a module without one
    from .comfy_node import NODE_CLASS_MAPPINGS as NODE_CLASS_MAPPINGS
    from .comfy_node import NODE_DISPLAY_NAME_MAPPINGS as NODE_DISPLAY_NAME_MAPPINGS

    WEB_DIRECTORY = "./comfy_node/web"
