"""What the recorded entries of history mean, and what is made of entries that mean nothing."""

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.comfyui.fields import MAX_LINE_CHARS, Misshapen
from reconciler.comfyui.history import ended_prompt, is_out_of_memory, listed_files
from reconciler.comfyui.values import EndedPrompt
from reconciler.core.evidence import EndKind, ListedFile, Source
from tests.unit.comfyui.recorded import NEW, OLD, VERSIONS, recorded


def ended(version: str, name: str) -> EndedPrompt:
    entry = recorded(version, name)["history"]
    return ended_prompt(entry["prompt"][1], entry)


def file(node: str, kind: str, folder: str, name: str) -> ListedFile:
    return ListedFile(node_id=node, filename=name, subfolder=folder, type="output", kind=kind)


def images(first: int, count: int) -> list[ListedFile]:
    return [file("2", "images", "jobs", f"img_{n:05}_.png") for n in range(first, first + count)]


SINGLE_FILES = {
    "video": file("4", "images", "video", "vid_00001_.mp4"),
    "vhs": file("6", "gifs", "vhs", "AnimateDiff_00001.mp4"),
    "gif": file("7", "gifs", "vhs", "gif_00001.gif"),
    "webm": file("5", "images", "webm", "w_00001_.webm"),
    "webp": file("8", "images", "webp", "a_00001_.webp"),
}
MULTI = [
    *images(9, 8),
    file("4", "images", "video", "vid_00002_.mp4"),
    file("6", "gifs", "vhs", "AnimateDiff_00002.mp4"),
]


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("name", SINGLE_FILES)
def test_each_saver_lists_its_one_file(version: str, name: str) -> None:
    told = ended(version, name)
    assert (told.ending.kind, told.ending.source) == (EndKind.SUCCESS, Source.HISTORY)
    assert told.ending.files == (SINGLE_FILES[name],)
    assert not told.ending.cached
    assert told.reused_nodes == frozenset()
    assert (told.prompt.job_id, told.prompt.client_id, told.prompt.output_nodes) == ("42", "lab", 1)


@pytest.mark.parametrize(
    ("version", "prompt_id", "started_at", "ended_at", "created_at"),
    [
        (OLD, "5d69b8bc-d15a-4180-89c8-ffe6793c875d", 1795500522.354, 1795500522.426, None),
        (
            NEW,
            "b6a84e1a-5756-4e5a-b7ca-a2d04b0660c7",
            1795501144.921,
            1795501145.049,
            1795501144.919,
        ),
    ],
)
def test_an_image_prompt_in_full(
    version: str, prompt_id: str, started_at: float, ended_at: float, created_at: float | None
) -> None:
    told = ended(version, "image")
    assert list(told.ending.files) == images(1, 8)
    assert (told.prompt.prompt_id, told.prompt.number) == (prompt_id, 0.0)
    assert (told.ending.started_at, told.ending.ended_at) == (started_at, ended_at)
    assert told.prompt.created_at == created_at
    assert told.ending.message is None


@pytest.mark.parametrize("version", VERSIONS)
def test_several_savers_list_all_their_files(version: str) -> None:
    told = ended(version, "multi")
    assert sorted(told.ending.files, key=str) == sorted(MULTI, key=str)
    assert told.prompt.output_nodes == 3
    assert not told.ending.cached


@pytest.mark.parametrize("version", VERSIONS)
def test_a_cached_prompt_lists_the_files_of_an_earlier_one(version: str) -> None:
    told = ended(version, "cached")
    assert told.ending.kind is EndKind.SUCCESS
    assert told.ending.cached
    assert told.reused_nodes == {"2", "4", "6"}
    assert all(file.reused for file in told.ending.files)
    assert {replace(file, reused=False) for file in told.ending.files} == set(
        ended(version, "multi").ending.files
    )


@pytest.mark.parametrize("version", VERSIONS)
def test_running_out_of_memory_is_told_apart(version: str) -> None:
    ending = ended(version, "error").ending
    assert (ending.kind, ending.out_of_memory, ending.files) == (EndKind.ERROR, True, ())
    assert (ending.node_id, ending.node_type) == ("1", "SlowNoise")
    assert ending.exception_type == "RuntimeError"
    assert ending.message == "simulated CUDA out of memory"


@pytest.mark.parametrize(("version", "ended_at"), [(OLD, 1795500526.579), (NEW, 1795501149.394)])
def test_an_interrupt_is_no_error(version: str, ended_at: float) -> None:
    ending = ended(version, "interrupt").ending
    assert (ending.kind, ending.ended_at) == (EndKind.INTERRUPTED, ended_at)
    assert (ending.node_id, ending.exception_type) == ("1", None)


@pytest.mark.parametrize(
    ("version", "filename"), [(OLD, "vid_00009_.mp4"), (NEW, "vid_00007_.mp4")]
)
def test_an_anonymous_prompt_has_neither_client_nor_job(version: str, filename: str) -> None:
    told = ended(version, "observer_of_anonymous_prompt")
    assert told.ending.files == (file("4", "images", "video", filename),)
    assert (told.prompt.client_id, told.prompt.job_id) == (None, None)


def entry(status: object, outputs: object = None, savers: object = ("4",)) -> dict[str, object]:
    graph = {"4": {"class_type": "SaveVideo", "inputs": {}}}
    return {
        "prompt": [0, "p", graph, {}, list(savers) if isinstance(savers, tuple) else savers],
        "outputs": outputs,
        "status": status,
    }


FILE = {"filename": "a.mp4", "subfolder": "", "type": "output"}


@pytest.mark.parametrize("status", [None, {}, [], "done", {"status_str": None, "messages": None}])
def test_an_entry_without_status_is_a_success_only_if_every_saver_listed(status: object) -> None:
    whole = ended_prompt("p", entry(status, {"4": {"images": [FILE]}}))
    half = ended_prompt("p", entry(status, {"4": {"images": [FILE]}}, savers=("4", "5")))
    unknown = ended_prompt("p", entry(status, {"4": {"images": [FILE]}}, savers=None))
    assert whole.ending.kind is EndKind.SUCCESS
    for told in (half, unknown):
        assert told.ending.kind is EndKind.ERROR
        assert told.ending.message is not None and "does not say" in told.ending.message


@pytest.mark.parametrize("part", ["prompt", "outputs", "status"])
def test_an_entry_of_another_shape_says_nothing(part: str) -> None:
    other = {key: value for key, value in entry("done", {}).items() if key != part}
    with pytest.raises(Misshapen, match=f"no '{part}'"):
        ended_prompt("p", {**other, "state": "done"})


@pytest.mark.parametrize(
    ("messages", "status_str", "kind"),
    [
        ([["execution_error", {}]], "success", EndKind.ERROR),
        ([["execution_interrupted", {}], ["execution_error", {}]], "error", EndKind.INTERRUPTED),
        ([], "error", EndKind.ERROR),
        ([["execution_success", {}]], None, EndKind.SUCCESS),
        ([["execution_success"], "x", None, [1, 2], [["a"], {}]], "success", EndKind.SUCCESS),
    ],
)
def test_bad_news_wins_where_an_entry_contradicts_itself(
    messages: list[object], status_str: str | None, kind: EndKind
) -> None:
    told = ended_prompt("p", entry({"status_str": status_str, "messages": messages}))
    assert told.ending.kind is kind


def cached_of(nodes: list[str], savers: tuple[str, ...]) -> EndedPrompt:
    told = [["execution_cached", {"nodes": nodes}], ["execution_success", {}]]
    return ended_prompt("p", entry({"status_str": "success", "messages": told}, {}, savers))


def test_cached_means_that_every_saver_was() -> None:
    # Nodes above a cached saver never run, cached or not.
    assert cached_of(["4"], ("4",)).ending.cached
    mixed = cached_of(["1", "4"], ("4", "5"))
    assert not mixed.ending.cached
    assert mixed.reused_nodes == {"4"}
    assert not cached_of(["1", "2"], ()).ending.cached


def test_every_key_is_walked_and_siblings_are_left_out() -> None:
    outputs = {
        "1": {"images": [{**FILE, "type": "temp"}], "text": ["a.png"], "animated": [True]},
        "2": {"3d": [{"filename": "m.glb", "subfolder": "mesh"}], "workflow": "a.png"},
        "7:3": {"gifs": [{**FILE, "workflow": "a.png", "fullpath": "/o/a.mp4"}]},
        "8": {"images": [{"filename": ""}, {"filename": 3}, None, {"name": "b"}]},
        "9": ["no", "object"],
    }
    assert listed_files(outputs) == (
        ListedFile("1", "a.mp4", "", "temp", "images"),
        ListedFile("2", "m.glb", "mesh", "output", "3d"),
        ListedFile("7:3", "a.mp4", "", "output", "gifs"),
    )


def test_names_stay_what_they_are_on_disk_and_can_be_stored() -> None:
    raw = {"filename": "caf\udce9\0.png", "subfolder": "x" * 9000, "type": "\ud800\0"}
    (listed,) = listed_files({"1": {"images": [raw]}})
    assert listed.filename == "caf\udce9\ufffd.png"  # as os.fsdecode gives a name that is no UTF-8
    assert len(listed.subfolder) == 4096
    assert listed.type == "?\ufffd"


@pytest.mark.parametrize(
    ("exception_type", "message"),
    [
        ("torch.OutOfMemoryError", ""),
        ("torch.cuda.OutOfMemoryError", "x"),
        ("MemoryError", ""),
        ("numpy._core._exceptions._ArrayMemoryError", "Unable to allocate 4 GiB for an array"),
        ("RuntimeError", "CUDA error: out of memory"),
        ("RuntimeError", "HIP out of memory. Tried to allocate 2 GiB"),
        ("RuntimeError", "MPS backend out of memory (MPS allocated: 17 GB)"),
        ("Exception", "Allocation on device 0 would exceed allowed memory."),
        ("RuntimeError", "DefaultCPUAllocator: can't allocate memory: you tried to allocate"),
        ("RuntimeError", "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling cublasCreate"),
        ("OSError", "[Errno 12] Cannot allocate memory"),
    ],
)
def test_out_of_memory_in_many_words(exception_type: str, message: str) -> None:
    assert is_out_of_memory(exception_type, message)


@pytest.mark.parametrize(
    ("exception_type", "message"),
    [
        ("ValueError", "'memory' is not a valid VideoContainer"),
        ("lab.SharedMemoryError", "the segment is gone"),
        ("RuntimeError", "mat1 and mat2 shapes cannot be multiplied"),
        (None, None),
    ],
)
def test_other_errors_are_not_out_of_memory(exception_type: str | None, message: object) -> None:
    assert not is_out_of_memory(exception_type, message)


def test_only_the_first_line_of_a_message_is_kept_and_bounded() -> None:
    error = {"exception_message": "\n \n  " + "é" * 900 + "\nTIPS", "node_id": 7}
    told = ended_prompt("p", entry({"messages": [["execution_error", error]]}))
    assert told.ending.message == "é" * MAX_LINE_CHARS
    assert told.ending.node_id is None


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["prompt", "outputs", "status", "messages", "nodes", "filename", "4"])
            | st.text(max_size=3),
            inner,
            max_size=5,
        )
    ),
    max_leaves=25,
)
ODD_STATUS = st.fixed_dictionaries(
    {
        "status_str": st.sampled_from(["success", "error"]) | JSON,
        "messages": st.lists(
            st.tuples(st.sampled_from(["execution_error", "execution_cached"]), JSON).map(list)
            | JSON,
            max_size=3,
        ),
    }
)
ODD_ENTRY = st.fixed_dictionaries(
    {},
    optional={
        "prompt": st.lists(JSON, max_size=6) | JSON,
        "outputs": st.dictionaries(st.text(max_size=2), JSON, max_size=3) | JSON,
        "status": ODD_STATUS | JSON,
    },
)


@given(ODD_ENTRY | JSON)
def test_any_json_gives_a_value_or_misshapen(odd: object) -> None:
    try:
        told = ended_prompt("p", odd)
    except Misshapen:
        assert not isinstance(odd, dict) or not {"prompt", "outputs", "status"} <= odd.keys()
        return
    assert told.prompt.prompt_id == "p"
    told.ending.kind.value.encode()
    json.dumps([told.ending.message, told.prompt.job_id], ensure_ascii=False).encode()
