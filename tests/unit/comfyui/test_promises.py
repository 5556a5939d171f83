"""What a graph promises of its savers' files; whatever is not plain promises nothing."""

from __future__ import annotations

from typing import Any

import pytest

from reconciler.comfyui.promises import promises_of
from reconciler.core.expectation import SaverPromise


def node(kind: str, **inputs: Any) -> dict[str, Any]:
    return {"class_type": kind, "inputs": inputs}


def chain(**changed: Any) -> dict[str, Any]:
    """A video of 49 frames as ComfyUI's own nodes make it."""
    graph = {
        "1": node("EmptyHunyuanLatentVideo", length=49, batch_size=1),
        "2": node("KSampler", latent_image=["1", 0]),
        "3": node("VAEDecode", samples=["2", 0]),
        "4": node("CreateVideo", images=["3", 0], fps=24.0),
        "5": node("SaveVideo", video=["4", 0]),
    }
    return graph | {key.removeprefix("n"): value for key, value in changed.items()}


def of(graph: object) -> tuple[float | None, int | None] | None:
    found = promises_of(graph)
    return (found[0].fps, found[0].frames) if found else None


def test_core_video() -> None:
    assert promises_of(chain()) == (SaverPromise("5", "SaveVideo", 24.0, 49),)


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"n1": node("EmptyHunyuanLatentVideo", length=72)}, (24.0, 69)),
        ({"n1": node("WanImageToVideo", length=81), "n2": node("KSampler", latent_image=["1", 2])},
         (24.0, 81)),
        ({"n1": node("WanImageToVideo", length=81)}, (24.0, None)),
        ({"n1": node("EmptyLatentImage", batch_size=16)}, (24.0, 16)),
        ({"n1": node("EmptyHunyuanLatentVideo", length=["9", 0]), "n9": node("PrimitiveInt",
         value=49)}, (24.0, 49)),
        ({"n1": node("EmptyHunyuanLatentVideo", length=["9", 0])}, (24.0, None)),
        ({"n3": node("RIFE VFI", frames=["2", 0])}, (24.0, None)),
        ({"n3": node("ImageFromBatch", image=["6", 0], batch_index=2, length=99),
          "n6": node("EmptyImage", batch_size=10)}, (24.0, 8)),
        ({"n4": node("LoadVideo", file="a.mp4")}, None),
        ({"n4": node("CreateVideo", images=["4", 0], fps="fast")}, None),
        ({"n2": node("KSampler", latent_image=["3", 0])}, (24.0, None)),
    ],
)  # fmt: skip
def test_only_plain_numbers_count(changed: dict[str, Any], expected: object) -> None:
    assert of(chain(**changed)) == expected


@pytest.mark.parametrize(
    ("inputs", "frames"),
    [
        ({"pingpong": False, "loop_count": 0, "format": "video/h264-mp4"}, 8),
        ({"pingpong": True}, None),
        ({"loop_count": 2, "format": "video/h264-mp4"}, None),
        ({"loop_count": 2, "format": "image/gif"}, 8),
        ({"meta_batch": ["7", 0]}, None),
        ({"trim_to_audio": True}, None),
    ],
)
def test_the_video_helper_suite(inputs: dict[str, Any], frames: int | None) -> None:
    graph = {
        "1": node("EmptyImage", batch_size=8),
        "2": node("VHS_VideoCombine", images=["1", 0], frame_rate=16, **inputs),
    }
    assert of(graph) == (16.0, frames)


@pytest.mark.parametrize("graph", [None, [], {"1": None}, {"1": {"class_type": ["SaveWEBM"]}},
                                   {"1": node("SaveWEBM", images=[1, 2], fps=True)}])  # fmt: skip
def test_what_is_no_graph_promises_nothing(graph: object) -> None:
    assert promises_of(graph) == ()
