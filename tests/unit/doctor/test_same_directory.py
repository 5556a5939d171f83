"""Whether our directory is the one that ComfyUI writes to: by which proof, and what if not."""

import os
from pathlib import Path

import pytest

from reconciler.comfyui.values import EndedPrompt, QueuedPrompt, ServerInfo
from reconciler.core.evidence import Ending, EndKind, ListedFile, Source
from reconciler.doctor import same_directory
from reconciler.doctor.finding import Finding, Level
from reconciler.doctor.same_directory import (
    CLOCK_SLACK_S,
    Hint,
    Sighting,
    hint_of,
    judge_sightings,
)

ROOT = Path("/srv/out")
RAN = {"started_at": 1000.0, "ended_at": 1060.0}
UNKNOWN = Hint(None)


def judge(*sightings: Sighting, hint: Hint = UNKNOWN) -> Finding:
    return judge_sightings("gpu1, ComfyUI's files", ROOT, list(sightings), hint)


def seen(mtime: float | None, name: str = "video/a_00001_.mp4", **more: object) -> Sighting:
    return Sighting(name, mtime, **{**RAN, **more})  # type: ignore[arg-type]


@pytest.mark.parametrize("mtime", [1000 - CLOCK_SLACK_S, 1030, 1060 + CLOCK_SLACK_S])
def test_a_file_written_while_its_prompt_ran_is_proof(mtime: float) -> None:
    finding = judge(seen(None, "gone.png"), seen(mtime))
    assert finding.level is Level.OK
    assert finding.detail.startswith("proven: video/a_00001_.mp4 of history lies here")


def test_proof_outweighs_what_the_command_line_says() -> None:
    assert judge(seen(1030), hint=Hint("/elsewhere", is_another=True)).level is Level.OK


@pytest.mark.parametrize(
    ("mtime", "words"),
    [
        (1000 - CLOCK_SLACK_S - 3600, "1:02:00 before"),
        (1060 + CLOCK_SLACK_S + 86_400, "1 day, 0:00:00 after"),
    ],
)
def test_a_file_of_that_name_from_another_time_is_doubtful(mtime: float, words: str) -> None:
    finding = judge(seen(mtime))
    assert finding.level is Level.WARNING
    assert finding.detail.startswith("doubtful: ")
    assert words in finding.detail
    assert "rsync --times" in finding.advice


def test_a_file_whose_prompt_has_no_times_is_likely_at_best() -> None:
    finding = judge(seen(1030, started_at=None))
    assert finding.level is Level.WARNING
    assert finding.detail.startswith("likely: ")
    assert judge(seen(1030, ended_at=None), hint=Hint("/srv/out", is_ours=True)).level is Level.OK


def test_a_proof_that_may_not_be_read() -> None:
    finding = judge(seen(1030, readable=False))
    assert finding.level is Level.FAILED
    assert "may not be read" in finding.detail
    assert "as ComfyUI's user" in finding.advice


def test_none_of_the_listed_files_is_here() -> None:
    finding = judge(seen(None, "new.mp4"), seen(None, "old.mp4"), hint=Hint("/data/output"))
    assert finding.level is Level.FAILED
    assert "in /srv/out is none of 2 files that history lists, new.mp4 the newest" in finding.detail
    assert "its command line says /data/output" in finding.advice
    assert finding.advice.startswith("set output_dir to where ComfyUI writes")


def test_absent_files_of_the_right_directory_may_have_been_moved() -> None:
    finding = judge(seen(None), hint=Hint("/srv/out", is_ours=True))
    assert finding.level is Level.WARNING
    assert "moved or deleted" in finding.advice


def test_without_history_the_command_line_is_all_there_is() -> None:
    ours = judge(hint=Hint("/srv/out", is_ours=True))
    assert ours.level is Level.OK
    assert "no file proves it yet" in ours.detail
    another = judge(hint=Hint("/data/output", is_another=True))
    assert another.level is Level.FAILED
    assert another.advice.startswith("set output_dir to /data/output;")


@pytest.mark.parametrize("hint", [UNKNOWN, Hint("/in/a/container")])
def test_without_history_and_hint_it_is_not_known_yet(hint: Hint) -> None:
    finding = judge(hint=hint)
    assert finding.level is Level.WARNING
    assert finding.detail.startswith("not known yet: ")
    assert finding.advice == "run a prompt that saves a file, then doctor again"


def test_words_of_the_server_are_escaped() -> None:
    hostile = "/out\x1b]0;pwned\x07\nok       database: all is well"
    for finding in (
        judge(hint=Hint(hostile)),
        judge(hint=Hint(hostile, is_another=True)),
        judge(seen(None), hint=Hint(hostile)),
    ):
        assert finding.detail.isprintable()
        assert finding.advice.isprintable()


HERE, ELSEWHERE = "http://127.0.0.1:8188", "http://192.0.2.7:8188"


@pytest.mark.parametrize(
    ("path", "url", "expected"),
    [
        ("own", HERE, (True, False)),
        ("link", HERE, (True, False)),
        ("other", HERE, (False, True)),
        ("own", "http://localhost:8188", (True, False)),
        # A path of the same name on another host says nothing.
        ("own", ELSEWHERE, (False, False)),
        ("other", ELSEWHERE, (False, False)),
        ("own", "http://no-such-host.invalid:8188", (False, False)),
        ("missing", HERE, (False, False)),
    ],
)
def test_the_command_line_counts_on_this_machine_alone(
    tmp_path: Path, path: str, url: str, expected: tuple[bool, bool]
) -> None:
    (tmp_path / "own").mkdir()
    (tmp_path / "other").mkdir()
    (tmp_path / "link").symlink_to("own")
    info = ServerInfo(output_dir=str(tmp_path / path))
    hint = hint_of(info, url, tmp_path / "own")
    assert (hint.is_ours, hint.is_another) == expected
    assert hint.path == info.output_dir


@pytest.mark.parametrize("path", [None, "output", r"C:\ComfyUI\output"])
def test_a_path_that_leads_nowhere_from_here(path: str | None, tmp_path: Path) -> None:
    assert hint_of(ServerInfo(output_dir=path), HERE, tmp_path) == Hint(path)


def test_an_address_of_this_machine_is_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Address:
        address = "192.0.2.7"

    monkeypatch.setattr(same_directory.psutil, "net_if_addrs", lambda: {"eth0": [Address]})
    assert hint_of(ServerInfo(output_dir=str(tmp_path)), ELSEWHERE, tmp_path).is_ours

    def refused() -> None:
        raise PermissionError(1, "Operation not permitted")

    # In a sandbox without netlink it cannot be told, and that is no error.
    monkeypatch.setattr(same_directory.psutil, "net_if_addrs", refused)
    assert not hint_of(ServerInfo(output_dir=str(tmp_path)), ELSEWHERE, tmp_path).is_ours


def ended(*names: str, kind: EndKind = EndKind.SUCCESS, **more: object) -> EndedPrompt:
    files = tuple(
        ListedFile("9", os.path.basename(name), os.path.dirname(name), "output", "images")
        for name in names
    )
    ending = Ending(kind, Source.HISTORY, files=files, started_at=1000.0, ended_at=1060.0)
    reused = frozenset({"9"}) if more.get("reused") else frozenset()
    return EndedPrompt(QueuedPrompt("p", 1.0), ending, reused)


def test_only_files_that_their_prompt_wrote_are_looked_for(tmp_path: Path) -> None:
    (tmp_path / "video").mkdir()
    (tmp_path / "video" / "a.mp4").touch()
    os.utime(tmp_path / "video" / "a.mp4", (1030.0, 1030.0))
    history = [
        ended("video/a.mp4"),
        ended("gone.png"),
        ended("failed.png", kind=EndKind.ERROR),
        ended("cached.png", reused=True),
        ended("../outside.png"),
    ]
    found = list(same_directory._sightings(tmp_path, history))
    assert [(each.name, each.mtime) for each in found] == [
        ("video/a.mp4", 1030.0),
        ("gone.png", None),
        ("../outside.png", None),
    ]
    assert found[0].is_proof


def test_previews_are_nothing_to_look_for(tmp_path: Path) -> None:
    preview = ListedFile("9", "preview.png", "", "temp", "images")
    ending = Ending(EndKind.SUCCESS, Source.HISTORY, files=(preview,))
    history = [EndedPrompt(QueuedPrompt("p", 1.0), ending)]
    assert list(same_directory._sightings(tmp_path, history)) == []
