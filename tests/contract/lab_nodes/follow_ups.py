"""A node that queues prompts itself."""

from __future__ import annotations

import copy
import uuid
from typing import Any

from server import PromptServer  # type: ignore[attr-defined]


class QueueFollowUp:
    """Queues the next prompt past POST /prompt, as the batch manager of VHS does: a new id, the
    same `extra_data`, before all that wait. `follow_ups` tells how many are still to come."""

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        follow_ups = ("INT", {"default": 1, "min": 0, "max": 100})
        return {
            "required": {"images": ("IMAGE",), "follow_ups": follow_ups},
            "hidden": {"unique_id": "UNIQUE_ID"},
        }

    RETURN_TYPES = ("IMAGE",)
    FUNCTION = "run"
    CATEGORY = "lab"

    def run(self, images: Any, follow_ups: int, unique_id: str = "") -> tuple[Any]:
        """The pictures, unchanged."""
        if follow_ups > 0:
            server = PromptServer.instance
            [item] = server.prompt_queue.currently_running.values()
            graph = copy.deepcopy(item[2])
            graph[unique_id]["inputs"]["follow_ups"] = follow_ups - 1
            number, server.number = -server.number, server.number + 1
            server.prompt_queue.put((number, str(uuid.uuid4()), graph, *item[3:]))
        return (images,)
