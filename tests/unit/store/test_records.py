"""Endings survive being stored."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from reconciler.core.evidence import Ending, EndKind, ListedFile, NodeRun, Source
from reconciler.store.clean import clean_json
from reconciler.store.records import ending_from_json, ending_to_json

FILE = ListedFile("9", "a.mp4", "video", "output", "gifs")
#: No UTF-8, a backslash, and a letter that is none of ASCII.
ODD = ListedFile("9", "caf\udce9\\n\x00.mp4", "vid\u00e9o", "output", "gifs")


@pytest.mark.parametrize(
    "ending",
    [
        Ending(EndKind.SUCCESS, Source.HISTORY, files=(FILE, FILE), cached=True, ended_at=2.5),
        Ending(EndKind.ERROR, Source.MANIFEST, node_id="1", message="boom", out_of_memory=True),
        Ending(EndKind.REMOVED, Source.MANIFEST),
        Ending(
            EndKind.SUCCESS,
            Source.MANIFEST,
            files=(replace(ODD, size_bytes=3 * 10**9, mtime_ns=2**62 + 1, digest="sha256:00"),),
            expected_frames=72,
            node_runs=(NodeRun("3", "KSampler", 50.25),),
        ),
        Ending(EndKind.SUCCESS, Source.HISTORY, files=(ODD,)),
    ],
)
def test_an_ending_comes_back_as_it_was(ending: Ending) -> None:
    stored = json.loads(json.dumps(clean_json(ending_to_json(ending))))
    assert ending_from_json(stored) == ending


def test_an_ending_that_an_earlier_version_stored() -> None:
    """It lacks what came later."""
    stored = json.loads(
        json.dumps(ending_to_json(Ending(EndKind.SUCCESS, Source.HISTORY, (FILE,))))
    )
    assert isinstance(stored, dict)
    for key in ("expected_frames", "node_runs"):
        del stored[key]
    for key in ("size_bytes", "mtime_ns", "digest", "reused"):
        del stored["files"][0][key]
    assert ending_from_json(stored) == Ending(EndKind.SUCCESS, Source.HISTORY, (FILE,))


def test_no_ending_is_no_ending() -> None:
    assert ending_from_json(ending_to_json(None)) is None
