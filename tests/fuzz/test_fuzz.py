"""A small round of mutants of every container, and all those that failed once."""

from __future__ import annotations

from pathlib import Path

import pytest

from reconciler.outputs.codecs.table import check_of
from reconciler.outputs.sniff import HEAD_BYTES, Format, sniff
from tests.fuzz import rounds
from tests.fuzz.mutate import mutant, with_checksums
from tests.fuzz.pristine import CODED, FILES, NAMES, make
from tests.fuzz.probe import Counting, Hang, probe
from tests.fuzz.rounds import Failure, load, run

KEPT = sorted((Path(__file__).parent / "kept").glob("*.bin"))
#: Of each file; `make fuzz` goes on for as long as it is told to.
MUTANTS = 150


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Holds every pristine file."""
    made = tmp_path_factory.mktemp("pristine")
    for name in NAMES:
        make(made, name)
    return made


@pytest.mark.parametrize("name", FILES)
def test_a_pristine_file_is_sound(folder: Path, name: str) -> None:
    data = (folder / name).read_bytes()
    known = sniff(data[:HEAD_BYTES])
    assert isinstance(known, Format)
    with (folder / name).open("rb") as file:
        structure = known.check(Counting(file.fileno(), len(data)))
    assert structure.defects == ()
    assert structure.decodable


@pytest.mark.parametrize("name", CODED)
def test_pristine_pictures_are_legal(folder: Path, name: str) -> None:
    data, at, shown = (folder / name).read_bytes(), 0, 0
    check = check_of(name.split(".", maxsplit=1)[0].split("-", maxsplit=1)[0])
    assert check is not None
    while at < len(data):
        size = int.from_bytes(data[at : at + 4], "big")
        shown += check(data[at + 4 : at + 4 + size])
        at += 4 + size
    assert shown == 6


@pytest.mark.parametrize("ending", sorted({name.rpartition(".")[2] for name in NAMES}))
def test_no_mutant_crashes_hangs_or_takes_all_the_memory(folder: Path, ending: str) -> None:
    names = [name for name in NAMES if name.endswith(f".{ending}")]
    failures = run(folder, range(MUTANTS), names, NAMES)
    assert not failures, "\n".join(f"{each.name} {each.number}: {each.what}" for each in failures)


@pytest.mark.parametrize("kept", KEPT, ids=lambda path: path.name)
def test_what_failed_once(kept: Path) -> None:
    probe(kept.read_bytes(), kept.name)


def test_a_mutant_is_the_same_each_time_and_no_other(folder: Path) -> None:
    everything = load(folder, NAMES)
    for pristine in everything:
        first = [mutant(pristine, everything, number) for number in range(40)]
        assert first == [mutant(pristine, everything, number) for number in range(40)]
        assert len(set(first)) > 20
        assert first.count(pristine.data) < 10


def _failing(folder: Path, body: str, monkeypatch: pytest.MonkeyPatch) -> list[Failure]:
    """What a round tells of a check of gifs that does this."""
    root = folder / "root"
    root.mkdir()
    (root / "sitecustomize.py").write_text(
        f"import os\nfrom reconciler.outputs.containers import gif\n"
        f"def check(source):\n    if source.size == {(folder / 'moving.gif').stat().st_size}:\n"
        f"        return gif.Structure()\n    {body}\n"
        "gif.check = check\n"
    )
    monkeypatch.setenv("PYTHONPATH", f"{root}:{rounds.ROOT}")
    return run(folder, range(40), ["moving.gif"], ["moving.gif"])


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ("raise KeyError('planted')", "KeyError: 'planted'"),
        ("return bytearray(1 << 40)", "MemoryError"),
        ("[source.read(0, 1) for _ in iter(int, 1)]", "too many reads"),
        ("os.abort()", "the child ended with -6"),
    ],
)
def test_a_round_tells_of_what_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, body: str, told: str
) -> None:
    make(tmp_path, "moving.gif")
    failures = _failing(tmp_path, body, monkeypatch)
    assert failures
    assert {failure.name for failure in failures} == {"moving.gif"}
    assert told in failures[0].what


def test_a_hang_is_ended(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.fuzz.probe.CPU_S", 0.05)
    monkeypatch.setattr("tests.fuzz.probe.sniff", lambda head: _spin())
    with pytest.raises(Hang):
        probe(b"GIF89a")


def _spin() -> None:
    while True:
        pass


def test_checksums_are_set_right(folder: Path) -> None:
    data = (folder / "still.png").read_bytes()
    assert with_checksums(data) == data
    text = data.replace(b"IHDR", b"IHDX")
    assert with_checksums(text)[: len(b"IHDX") + 12] == text[: len(b"IHDX") + 12]
    assert with_checksums(with_checksums(text)) == with_checksums(text) != text
    assert with_checksums(b"GIF89a") == b"GIF89a"
