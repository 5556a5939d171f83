"""What a manifest says, and what is said by none."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.comfyui.fields import Misshapen
from reconciler.comfyui.manifest import Manifest, is_same_run, parse_manifest, with_manifest
from reconciler.comfyui.values import EndedPrompt, QueuedPrompt
from reconciler.core.evidence import Ending, EndKind, ListedFile, NodeRun, Source
from reconciler.core.kinds import Sizes
from tests.unit.outputs_manifest.told import FILE, FULL, PROMPT, told, told_file


def test_all_that_it_says() -> None:
    manifest = parse_manifest(told())
    assert manifest == Manifest(
        EndedPrompt(
            QueuedPrompt(
                PROMPT,
                0.0,
                job_id="42",
                output_nodes=2,
                graph_nodes=5,
                created_at=1000.5,
                job_id_from="node",
                first_prompt_id="p0",
            ),
            Ending(
                EndKind.SUCCESS,
                Source.MANIFEST,
                files=(
                    ListedFile(
                        "9",
                        "a_00001.mp4",
                        "video",
                        "output",
                        "gifs",
                        size_bytes=FILE["size_bytes"],
                        mtime_ns=FILE["mtime_ns"],
                        digest=FILE["digest"],
                    ),
                ),
                started_at=1001.0,
                ended_at=1060.25,
                expected_frames=72,
                node_runs=(NodeRun("3", "KSampler", 50.25), NodeRun("9", "Save", 2.0)),
            ),
            ran=(NodeRun("3", "KSampler", 50.25), NodeRun("9", "Save", 2.0)),
            cached_nodes=("4",),
        ),
        boot_id="b1",
    )
    assert manifest.began_at == 1000.5
    assert manifest.ended.prompt.workflow == "0123456789abcdef"
    assert manifest.ended.prompt.sizes == Sizes(72, 512, 768, 20)


def test_what_is_not_known_is_null() -> None:
    known = {"format": 1, "prompt_id": "p", "kind": "removed"}
    empty = dict.fromkeys(FULL) | known
    for text in (json.dumps(empty), json.dumps(known)):
        manifest = parse_manifest(text.encode())
        assert manifest.ended.ending == Ending(EndKind.REMOVED, Source.MANIFEST)
        assert manifest.ended.prompt == QueuedPrompt("p", 0.0)
        assert manifest.began_at is None
        assert manifest.tells_the_end, "a removed prompt has no files to name"


def test_a_success_without_its_files_tells_nothing() -> None:
    manifest = parse_manifest(told(outputs=None))
    assert not manifest.tells_the_end
    assert parse_manifest(told(outputs=[])).tells_the_end


@pytest.mark.parametrize(
    ("times", "began"),
    [((None, 5.0, 9.0), 5.0), ((None, None, 9.0), 9.0), ((7.0, 5.0, 9.0), 7.0)],
)
def test_when_it_began(times: tuple[float | None, ...], began: float) -> None:
    names = ("created_at", "started_at", "ended_at")
    manifest = parse_manifest(told(**dict(zip(names, times, strict=True))))
    assert manifest.began_at == began


def test_an_error() -> None:
    error = {
        "node_id": "3",
        "node_type": "KSampler",
        "exception_type": "RuntimeError",
        "message": "\nCUDA error: out of memory\nsecond line",
    }
    ending = parse_manifest(told(kind="error", error=error, outputs=[])).ended.ending
    assert (ending.node_id, ending.node_type) == ("3", "KSampler")
    assert ending.message == "CUDA error: out of memory"
    assert ending.out_of_memory


def test_cached_nodes_as_history_tells_them() -> None:
    some = parse_manifest(told(cached_nodes=["9", "4"])).ended
    assert some.reused_nodes == {"9"}
    assert not some.ending.cached
    assert [file.reused for file in some.ending.files] == [True]
    whole = parse_manifest(told(cached_nodes=["9", "12", "4"])).ended
    assert whole.ending.cached
    failed = parse_manifest(told(kind="error", cached_nodes=["9", "12"])).ended
    assert not failed.ending.cached


def test_a_file_without_a_name_is_none_as_in_history() -> None:
    assert parse_manifest(told_file(filename="")).ended.ending.files == ()


def test_a_type_that_is_not_told_is_output_as_comfyui_has_it() -> None:
    (file,) = parse_manifest(told_file(type=None)).ended.ending.files
    assert file.type == "output"


def test_a_name_that_is_no_text() -> None:
    (file,) = parse_manifest(told_file(filename="caf\udce9.png")).ended.ending.files
    assert file.filename == "caf\udce9.png"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"\xff\xfe\x00",
        b'{"format": 1, "format": 2}',
        b'{"format": ' + b"[" * 100_000,
        b"[" * 1_000_000 + b"]" * 1_000_000,
        told()[:-10],
        told().replace(b"1060.25", b"NaN"),
        told().replace(b"1060.25", b"Infinity"),
        told().replace(b"1060.25", b"-1"),
        told().replace(b"1060.25", b"1e400"),
        told().replace(b"1060.25", b"1e300"),
        told().replace(b"1060.25", b"9" * 5000),
        told().replace(b"1060.25", b'"1060"'),
        told().replace(b"1060.25", b"true"),
        told(format=2),
        told(format="1"),
        told(format=True),
        told(kind="lost"),
        told(kind=None),
        told(kind=["success"]),
        told(kind={"success": 1}),
        told(prompt_id=None),
        told(prompt_id=""),
        told(prompt_id=7),
        told(prompt_id="x" * 501),
        told(job_id=[42]),
        told(job_id="4\n2"),
        told(error="boom"),
        told(outputs={"9": FILE}),
        told(outputs=["a.png"]),
        told(outputs=[FILE, {"node_id": "9"}]),
        told_file(filename=7),
        told_file(size_bytes=-1),
        told_file(size_bytes="3"),
        told_file(size_bytes=3.5),
        told_file(size_bytes=True),
        told_file(size_bytes=10**30),
        told_file(mtime_ns=1e300),
        told_file(digest=7),
        told(expected_frames=0),
        told(expected_frames=-3),
        told(expected_frames=72.5),
        told(expected_frames=10**12),
        told(expected_frames="72"),
        told(cached_nodes={"9": 1}),
        told(output_nodes="9"),
        told(graph_nodes="many"),
        told(boot_id=5),
        told(job_id_from=["client"]),
        told(first_prompt_id=7),
    ],
)
def test_half_a_manifest_is_none(data: bytes) -> None:
    with pytest.raises(Misshapen):
        parse_manifest(data)


@pytest.mark.parametrize(
    "nodes",
    [
        7,
        ["3"],
        {"3": None},
        {"3": {"seconds": "long"}},
        {"3": {"seconds": -1}},
        {"3": {"seconds": 1e300}},
    ],
)
def test_timings_are_for_a_person_and_may_lack(nodes: object) -> None:
    assert parse_manifest(told(nodes=nodes)).ended.ending.node_runs == ()


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@given(st.sampled_from(sorted(FULL)), json_values)
def test_whatever_stands_in_it_nothing_else_is_raised(key: str, value: object) -> None:
    data = json.dumps({**FULL, key: value}).encode()
    try:
        manifest = parse_manifest(data)
    except Misshapen:
        return
    assert isinstance(manifest.ended.ending, Ending)


# The same run as history's?


def history(kind: EndKind = EndKind.SUCCESS, **more: object) -> EndedPrompt:
    files = (ListedFile("9", "a_00001.mp4", "video", "output", "gifs"),)
    times = {"started_at": 1001.0, "ended_at": 1060.0, **more}
    ending = Ending(kind, Source.HISTORY, files=files, **times)  # type: ignore[arg-type]
    return EndedPrompt(QueuedPrompt(PROMPT, 1.0), ending)


@pytest.mark.parametrize(
    ("ended_at", "same"),
    [(1060.25, True), (1000.5, True), (999.0, False), (1119.0, True), (1121.0, False)],
)
def test_a_manifest_of_an_earlier_or_later_run(ended_at: float, same: bool) -> None:
    assert is_same_run(history(), parse_manifest(told(ended_at=ended_at))) is same


def test_where_that_is_open() -> None:
    assert is_same_run(history(started_at=None), parse_manifest(told())) is None
    assert is_same_run(history(), parse_manifest(told(ended_at=None))) is None
    assert is_same_run(history(EndKind.ERROR), parse_manifest(told(ended_at=None))) is False


def test_what_it_adds_to_history() -> None:
    known = with_manifest(history(), parse_manifest(told())).ending
    assert known.source is Source.HISTORY
    assert known.files[0].size_bytes == FILE["size_bytes"]
    assert known.expected_frames == 72
    assert known.node_runs[0].seconds == 50.25
    elsewhere = with_manifest(history(), parse_manifest(told_file(subfolder=""))).ending
    assert elsewhere.files == history().ending.files


def test_frames_in_the_graph_go_before_those_of_the_manifest() -> None:
    known = with_manifest(history(expected_frames=24), parse_manifest(told())).ending
    assert known.expected_frames == 24
