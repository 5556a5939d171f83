"""The node pack: loads inside ComfyUI and needs nothing that ComfyUI lacks.

Link this folder, or clone the whole repository, into custom_nodes. Imported anywhere else it
registers nothing.
"""

from .hooks import register
from .nodes import NODE_CLASS_MAPPINGS, NODE_DISPLAY_NAME_MAPPINGS

__all__ = ["NODE_CLASS_MAPPINGS", "NODE_DISPLAY_NAME_MAPPINGS", "WEB_DIRECTORY"]

#: Holds no scripts: the help pages of the nodes, in docs/.
WEB_DIRECTORY = "./web"

register()
