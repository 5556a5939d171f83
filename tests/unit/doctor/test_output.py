"""Output directories: missing, closed, full, shared, and how they are watched."""

import os
import tempfile
from pathlib import Path

import pytest

from reconciler.doctor import output
from reconciler.doctor.finding import Finding, Level
from reconciler.doctor.inotify import InotifyLimits
from reconciler.doctor.output import check_output, check_shared, count_folders, judge_space
from reconciler.outputs.mounts import Mount
from reconciler.settings import WatchSettings
from tests.unit.doctor.nobody import NOBODY, as_nobody

LIMITS = InotifyLimits(watches=100_000, instances=128)


def look(root: Path, limits: InotifyLimits = LIMITS, **watch: object) -> list[Finding]:
    return list(check_output("gpu1", root, WatchSettings.model_validate(watch), limits))


def test_a_good_directory(tmp_path: Path) -> None:
    (tmp_path / "video" / ".hidden").mkdir(parents=True)
    space, watching = look(tmp_path)
    assert (space.level, watching.level) == (Level.OK, Level.OK)
    assert space.what == "gpu1, output directory"
    assert "GB are free" in space.detail
    assert watching.detail.endswith("folders: 3")  # a watch is needed for hidden ones, too


def test_a_missing_directory(tmp_path: Path) -> None:
    (finding,) = look(tmp_path / "output")
    assert finding.level is Level.FAILED
    assert finding.detail == f"'{tmp_path}/output' cannot be read: No such file or directory"
    assert finding.advice == "create it, mount its storage, or correct the path in the settings"


def test_a_file_is_no_directory(tmp_path: Path) -> None:
    (tmp_path / "output").touch()
    (finding,) = look(tmp_path / "output")
    assert finding.level is Level.FAILED
    assert finding.advice == "name the directory that ComfyUI writes to in the settings"


def test_a_closed_directory(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    with as_nobody():
        if os.geteuid() != NOBODY:
            tmp_path.chmod(0o000)
        (finding,) = look(tmp_path)
    assert finding.level is Level.FAILED
    assert "Permission denied" in finding.detail
    assert "read and search permission (r-x)" in finding.advice


def test_names_that_are_no_text_are_escaped(tmp_path: Path) -> None:
    (finding,) = look(tmp_path / os.fsdecode(b"\xff\n\x1b[31m"))
    assert "\x1b" not in finding.detail
    assert "\n" not in finding.detail


def test_folders_that_cannot_be_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    problems = [f"/srv/{n} (Permission denied)" for n in range(5)]
    monkeypatch.setattr(output, "count_folders", lambda _: (7, problems))
    _, finding, _ = look(tmp_path)
    assert finding.level is Level.WARNING
    assert "/srv/2 (Permission denied); and 2 more" in finding.detail
    assert "/srv/3" not in finding.detail
    assert "(r-x)" in finding.advice


def test_counting_tells_what_it_cannot_list() -> None:
    # Not below pytest's own folder, which nobody else may pass through.
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        (root / "open").mkdir()
        (root / "closed").mkdir(mode=0o000)
        root.chmod(0o755)
        with as_nobody():
            folders, problems = count_folders(root)
    assert folders == 2
    assert problems == [f"{root}/closed (Permission denied)"]


def test_counting_has_an_end(tmp_path: Path) -> None:
    for n in range(5):
        (tmp_path / str(n)).mkdir()
    assert count_folders(tmp_path) == (6, [])
    assert count_folders(tmp_path, patience_s=0.0) == (0, [])


def test_little_room() -> None:
    finding = judge_space("gpu1", Path("/out"), free_bytes=200_000_000, total_bytes=10**12)
    assert finding.level is Level.WARNING
    assert "only 200 MB" in finding.detail
    assert finding.advice == "delete or move old outputs"


def test_storage_that_does_not_tell_its_room() -> None:
    finding = judge_space("gpu1", Path("/out"), free_bytes=0, total_bytes=0)
    assert finding.level is Level.OK
    assert "does not tell" in finding.detail


def test_a_network_share_is_polled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mounts = (Mount("/", "ext4", "/dev/sda"), Mount(str(tmp_path), "nfs4", "nas:/out"))
    monkeypatch.setattr("reconciler.outputs.observers.read_mounts", lambda: mounts)
    monkeypatch.setattr(output, "read_mounts", lambda: mounts)
    _, finding = look(tmp_path, poll_interval_s=5)
    assert finding.level is Level.OK
    assert "polling every 5 s (file system of type nfs4)" in finding.detail
    assert "inotify does not see" in finding.detail


def test_inotify_on_a_network_share_is_blind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(output, "read_mounts", lambda: (Mount(str(tmp_path), "cifs", "//nas/o"),))
    _, finding = look(tmp_path, observer="inotify")
    assert finding.level is Level.WARNING
    assert "says inotify" in finding.detail
    assert finding.advice == "set watch.observer to auto or polling"


def test_polling_by_the_settings_needs_no_watches(tmp_path: Path) -> None:
    _, finding = look(tmp_path, InotifyLimits(watches=1, instances=1), observer="polling")
    assert finding.level is Level.OK
    assert finding.detail.endswith("the settings say so")


def test_too_many_folders_for_the_kernel(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    *_, finding = look(tmp_path, InotifyLimits(watches=2, instances=128))
    assert finding.level is Level.WARNING
    assert "2 folders, and a user may watch 2" in finding.detail
    assert "sysctl fs.inotify.max_user_watches=524288" in finding.advice


def directories(tmp_path: Path, *names: str) -> dict[str, Path]:
    found = {f"gpu{n}": tmp_path / name for n, name in enumerate(names, start=1)}
    for path in found.values():
        path.mkdir(parents=True, exist_ok=True)
    return found


def test_directories_of_their_own(tmp_path: Path) -> None:
    (finding,) = check_shared(directories(tmp_path, "one", "two", "one-and-a-half"))
    assert finding.level is Level.OK


def test_one_directory_for_two_servers(tmp_path: Path) -> None:
    named = directories(tmp_path, "one", "two", "one")
    (finding,) = check_shared(named)
    assert finding.level is Level.WARNING
    assert "those of gpu1 and gpu3 are the same" in finding.detail
    assert "seen twice" not in finding.detail
    assert "an output directory of its own (--output-directory)" in finding.advice


def test_the_same_directory_by_another_name(tmp_path: Path) -> None:
    named = directories(tmp_path, "one")
    (tmp_path / "link").symlink_to(tmp_path / "one")
    (finding,) = check_shared({**named, "gpu2": tmp_path / "link"})
    assert finding.level is Level.WARNING


@pytest.mark.parametrize("names", [("all", "all/gpu2"), ("all/gpu1", "all")])
def test_directories_in_one_another(tmp_path: Path, names: tuple[str, str]) -> None:
    (finding,) = check_shared(directories(tmp_path, *names))
    assert finding.level is Level.WARNING
    assert "lie in one another" in finding.detail


def test_a_missing_directory_is_shared_with_nobody(tmp_path: Path) -> None:
    named = directories(tmp_path, "one")
    (finding,) = check_shared({**named, "gpu2": tmp_path / "missing"})
    assert finding.level is Level.OK
