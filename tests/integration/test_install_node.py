"""The node pack into a ComfyUI and out again."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from comfy_node.contract import PACK_VERSION
from reconciler.cli import app, pack_files
from reconciler.cli.installed_pack import RECEIPT
from reconciler.cli.pack_install import NAME, SOURCE
from reconciler.errors import ReconcilerError
from tests.integration.commands import is_plain, joined, reconciler

Done = subprocess.CompletedProcess[str]
Install = Callable[..., Done]


@pytest.fixture
def comfyui(tmp_path: Path) -> Path:
    """ComfyUI's directory with another node pack in it."""
    other = tmp_path / "ComfyUI" / "custom_nodes" / "another_pack"
    other.mkdir(parents=True)
    (other / "__init__.py").write_text("NODE_CLASS_MAPPINGS = {}\n")
    return tmp_path / "ComfyUI"


def place(comfyui: Path, name: str = NAME) -> Path:
    return comfyui / "custom_nodes" / name


@pytest.fixture
def install(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Install:
    """The command, in this process: a start costs more than all that it does."""
    monkeypatch.setattr("reconciler.cli.logs.set_up", lambda *_: None)  # it is the whole process's

    def run(folder: Path, *options: str) -> Done:
        monkeypatch.setattr(sys, "argv", ["reconciler", "install-node", str(folder), *options])
        capfd.readouterr()
        code = app._run()
        return Done([], code, *capfd.readouterr())

    return run


def everything(folder: Path) -> dict[str, bytes | str]:
    """What lies in a folder: a file's content, a link's target."""
    found = {}
    for path in folder.rglob("*"):
        name = path.relative_to(folder).as_posix()
        if path.is_symlink():
            found[name] = os.readlink(path)
        elif path.is_file() and "__pycache__" not in name:
            found[name] = path.read_bytes()
    return found


def older_copy(comfyui: Path) -> Path:
    """A copy that an older reconciler made: with a file less, and one that is gone since."""
    older = comfyui.parent / "older"
    shutil.copytree(SOURCE, older, ignore=shutil.ignore_patterns("__pycache__"))
    contract = older / "contract.py"
    contract.write_text(contract.read_text().replace(f'"{PACK_VERSION}"', '"0.1.9"'))
    (older / "prefix.py").unlink()
    (older / "gone.py").write_text("")
    pack_files.place_copy(place(comfyui), older)
    return place(comfyui)


def clone(comfyui: Path, name: str = "comfyui-reconciler") -> Path:
    """A clone of a small repository that has the pack where ours has it."""
    origin = comfyui.parent / "origin"
    shutil.copytree(SOURCE, origin / "comfy_node", ignore=shutil.ignore_patterns("__pycache__"))
    (origin / "__init__.py").write_text("")
    (origin / ".gitignore").write_text("__pycache__/\n/data/\n")
    git(origin, "init", "-q", "-b", "main")
    commit(origin)
    git(comfyui, "clone", "-q", str(origin), str(place(comfyui, name)))
    return place(comfyui, name)


def git(folder: Path, *words: str) -> None:
    who = ("-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false")
    subprocess.run(["git", *who, "-C", folder, *words], check=True, capture_output=True)


def commit(folder: Path) -> None:
    git(folder, "add", ".")
    git(folder, "commit", "-q", "-m", "a commit")


# Into it


def test_the_command_itself(comfyui: Path) -> None:
    assert reconciler("install-node", comfyui).returncode == 0
    assert reconciler("install-node", comfyui, "--check").returncode == 0
    assert reconciler("install-node", comfyui, "--uninstall").returncode == 0
    assert reconciler("install-node", comfyui, "--check").returncode == 1
    assert reconciler("install-node", comfyui / "custom_nodes" / "another_pack").returncode == 2


@pytest.mark.parametrize("named", ["ComfyUI", "ComfyUI/custom_nodes", "ComfyUI/../ComfyUI/"])
def test_a_link_by_default_whichever_directory_is_named(
    install: Install, comfyui: Path, named: str
) -> None:
    done = install(comfyui.parent / named)

    assert done.returncode == 0, done.stderr
    assert place(comfyui).readlink() == SOURCE
    assert joined(done.stdout) == (f"{place(comfyui)}: a link to {SOURCE}, version {PACK_VERSION}")
    assert "Restart ComfyUI" in done.stderr


@pytest.mark.parametrize("options", [(), ("--copy",)], ids=["link", "copy"])
def test_a_second_time_nothing_is_left_to_do(
    install: Install, comfyui: Path, options: tuple[str, ...]
) -> None:
    assert install(comfyui, *options).returncode == 0
    before = everything(comfyui), place(comfyui).lstat().st_mtime_ns

    again = install(comfyui, *options)

    assert (again.returncode, "Nothing to do" in again.stderr) == (0, True)
    assert (everything(comfyui), place(comfyui).lstat().st_mtime_ns) == before


def test_a_copy_holds_all_that_the_pack_has_and_nothing_that_leads_out(
    install: Install, comfyui: Path
) -> None:
    assert install(comfyui, "--copy").returncode == 0

    copied = everything(place(comfyui))
    receipt = json.loads(copied.pop(RECEIPT))
    assert set(receipt) == set(copied)
    for name in ("__init__.py", "contract.py", "web/docs/ReconcilerTagOutput.md"):
        assert copied[name] == (SOURCE / name).read_bytes()
    assert isinstance(copied["example_workflows/tagged_image.json"], bytes)
    assert not any(path.is_symlink() for path in place(comfyui).rglob("*"))
    assert sorted(os.listdir(comfyui / "custom_nodes")) == ["another_pack", NAME]


def test_an_older_copy_is_updated_in_place_and_stays_a_copy(
    install: Install, comfyui: Path
) -> None:
    older_copy(comfyui)
    (place(comfyui) / "__pycache__").mkdir()  # ComfyUI ran it

    done = install(comfyui)

    assert done.returncode == 0, done.stderr
    assert f"a copy, version {PACK_VERSION}" in joined(done.stdout)
    assert (place(comfyui) / "prefix.py").exists()
    assert not (place(comfyui) / "gone.py").exists()
    assert sorted(os.listdir(comfyui / "custom_nodes")) == ["another_pack", NAME]


def test_where_links_do_not_work_it_is_copied(
    install: Install, comfyui: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(Path, "symlink_to", refuse)
    done = install(comfyui)

    assert not place(comfyui).is_symlink()
    assert (place(comfyui) / "contract.py").is_file()
    assert "Links do not work there" in done.stderr


def test_a_folder_that_may_not_be_written_is_told_from_one_without_links(
    install: Install, comfyui: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path, *_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "symlink_to", refuse)
    monkeypatch.setattr(os, "access", lambda _path, mode: mode != os.W_OK)
    done = install(comfyui)

    assert (done.returncode, "the user whom ComfyUI belongs to" in joined(done.stderr)) == (1, True)
    assert not os.path.lexists(place(comfyui))


def test_a_link_that_cannot_take_its_place_leaves_nothing(
    comfyui: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = everything(comfyui)

    def fail(path: Path, _target: Path) -> Path:
        raise OSError(5, "Input/output error", str(path))

    monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(ReconcilerError, match="Input/output error"):
        pack_files.place_link(place(comfyui), SOURCE)

    assert everything(comfyui) == before


def test_an_update_that_fails_leaves_the_old_copy_whole(
    comfyui: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    older_copy(comfyui)
    before = everything(comfyui)
    rename = Path.rename

    def fail_at_the_last_step(path: Path, target: Path) -> Path:
        if "-new-" in path.name:
            raise OSError(28, "No space left on device", str(path))
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", fail_at_the_last_step)
    with pytest.raises(ReconcilerError, match="No space left on device"):
        pack_files.place_copy(place(comfyui), SOURCE)

    assert everything(comfyui) == before


def test_an_update_that_cannot_even_be_undone_deletes_nothing(
    comfyui: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = older_copy(comfyui)
    before = everything(copy)
    rename = Path.rename

    def fail_half_way(path: Path, target: Path) -> Path:
        if path == copy:
            return rename(path, target)
        raise OSError(5, "Input/output error", str(path))

    monkeypatch.setattr(Path, "rename", fail_half_way)
    with pytest.raises(ReconcilerError, match="Input/output error"):
        pack_files.place_copy(copy, SOURCE)

    (left,) = copy.parent.glob(".*.disabled")
    assert everything(left) == before


@pytest.mark.parametrize("name", [NAME, "comfy_node"])
def test_a_link_that_leads_nowhere_is_repaired(install: Install, comfyui: Path, name: str) -> None:
    place(comfyui, name).symlink_to(comfyui / "moved away" / "comfy_node")

    checked = install(comfyui, "--check")
    done = install(comfyui)

    assert (checked.returncode, "leads nowhere" in checked.stderr) == (1, True)
    assert done.returncode == 0, done.stderr
    assert place(comfyui, name).readlink() == SOURCE
    assert sorted(os.listdir(comfyui / "custom_nodes")) == sorted(["another_pack", name])


def test_a_link_becomes_a_copy_when_asked_for(install: Install, comfyui: Path) -> None:
    install(comfyui)

    assert install(comfyui, "--copy").returncode == 0
    assert not place(comfyui).is_symlink()
    assert (SOURCE / "contract.py").exists()


# What is not ours to touch


def test_no_comfyui(install: Install, tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "nowhere"):
        done = install(folder)
        assert done.returncode == 2
        assert "it has no folder custom_nodes" in joined(done.stderr)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("what", ["folder", "file", "link", "dangling link"])
def test_a_stranger_under_our_name_stays(install: Install, comfyui: Path, what: str) -> None:
    ours = place(comfyui)
    if what == "folder":
        ours.mkdir()
        (ours / "__init__.py").write_text("# somebody else's reconciler\n")
    elif what == "file":
        ours.write_text("a file")
    else:
        ours.symlink_to("another_pack" if what == "link" else "nowhere")
    before = everything(comfyui)

    for options in ((), ("--copy",)):
        done = install(comfyui, *options)
        assert (done.returncode, "is not ours" in joined(done.stderr)) == (1, True)
    done = install(comfyui, "--uninstall")
    assert (done.returncode, "Nothing to do" in done.stderr) == (0, True)
    assert everything(comfyui) == before


def test_a_copy_that_somebody_changed_is_neither_updated_nor_deleted(
    install: Install, comfyui: Path
) -> None:
    install(comfyui, "--copy")
    (place(comfyui) / "nodes.py").write_text("# better\n")
    (place(comfyui) / "mine.txt").write_text("notes")
    before = everything(comfyui)

    for options in ((), ("--copy",), ("--uninstall",), ("--check",)):
        done = install(comfyui, *options)
        assert done.returncode == 1
        assert "mine.txt, nodes.py" in joined(done.stderr)
    assert everything(comfyui) == before


def test_a_folder_that_was_copied_by_hand_stays(install: Install, comfyui: Path) -> None:
    shutil.copytree(SOURCE, place(comfyui, "by_hand"))

    assert "a folder, copied by hand" in joined(install(comfyui, "--check").stdout)
    done = install(comfyui, "--uninstall")
    assert (done.returncode, "by_hand stays" in joined(done.stderr)) == (1, True)
    assert place(comfyui, "by_hand").is_dir()


def test_a_pack_is_not_installed_beside_a_clone_of_it(install: Install, comfyui: Path) -> None:
    contract = clone(comfyui) / "comfy_node" / "contract.py"

    done = install(comfyui)
    assert (done.returncode, "the whole repository" in joined(done.stdout)) == (0, True)

    contract.write_text(contract.read_text().replace(f'"{PACK_VERSION}"', '"0.1.9"'))
    done = install(comfyui)
    assert (done.returncode, "`git pull`" in joined(done.stderr)) == (1, True)
    assert not os.path.lexists(place(comfyui))


# Out of it


@pytest.mark.parametrize("options", [(), ("--copy",)], ids=["link", "copy"])
def test_uninstalling_leaves_everything_else(
    install: Install, comfyui: Path, options: tuple[str, ...]
) -> None:
    before, source = everything(comfyui), everything(SOURCE)
    install(comfyui, *options)

    done = install(comfyui, "--uninstall")

    assert done.returncode == 0, done.stderr
    assert done.stdout == f"removed {place(comfyui)}\n"
    assert ".reconciler" in done.stderr  # what the pack wrote, and may be deleted
    assert (everything(comfyui), everything(SOURCE)) == (before, source)
    assert "Nothing to do" in install(comfyui, "--uninstall").stderr


def test_a_clone_is_removed_only_while_all_of_it_can_be_cloned_again(
    install: Install, comfyui: Path
) -> None:
    path = clone(comfyui)

    def refused(words: str) -> bool:
        done = install(comfyui, "--uninstall")
        return done.returncode == 1 and words in joined(done.stderr) and path.is_dir()

    (path / "data").mkdir()
    (path / "data" / "database").write_text("ignored by git, and dear to somebody")
    assert refused("data/")
    shutil.rmtree(path / "data")
    git(path, "config", "status.showUntrackedFiles", "no")
    (path / "notes").write_text("dear to somebody, too")
    assert refused("notes")
    (path / "notes").unlink()
    (path / "__init__.py").write_text("changed = True\n")
    assert refused("__init__.py")
    git(path, "stash")
    assert refused("commits that no remote has")
    git(path, "stash", "pop")
    commit(path)
    assert refused("commits that no remote has")
    git(path, "reset", "-q", "--hard", "origin/main")
    (path / "__pycache__").mkdir()
    (path / "__pycache__" / "x.pyc").write_text("")

    assert install(comfyui, "--uninstall").returncode == 0
    assert not path.exists()


def test_a_clone_is_judged_by_its_own_repository(
    install: Install, comfyui: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = clone(comfyui)
    (path / "notes").write_text("dear to somebody")
    other = comfyui.parent / "other"
    git(comfyui, "clone", "-q", str(comfyui.parent / "origin"), str(other))
    monkeypatch.setenv("GIT_DIR", str(other / ".git"))  # as inside a hook of another repository
    monkeypatch.setenv("GIT_WORK_TREE", str(other))

    assert install(comfyui, "--uninstall").returncode == 1
    assert (path / "notes").is_file()


def test_what_the_registry_unpacked_is_left_to_what_installed_it(
    install: Install, comfyui: Path
) -> None:
    shutil.copytree(SOURCE, place(comfyui, "comfyui-reconciler") / "comfy_node")

    done = install(comfyui, "--uninstall")

    assert (done.returncode, "ComfyUI-Manager" in joined(done.stderr)) == (1, True)
    assert place(comfyui, "comfyui-reconciler").is_dir()


# What is there?


def test_check_tells_what_is_there_and_changes_nothing(install: Install, comfyui: Path) -> None:
    empty = install(comfyui, "--check")
    assert (empty.returncode, "no node pack" in joined(empty.stdout)) == (1, True)
    assert not os.path.lexists(place(comfyui))
    install(comfyui)

    done = install(comfyui, "--check")

    assert done.returncode == 0
    assert f"a link to {SOURCE}, version {PACK_VERSION}" in joined(done.stdout)


def test_check_sees_another_version_and_other_files(install: Install, comfyui: Path) -> None:
    older_copy(comfyui)
    done = install(comfyui, "--check")
    assert (done.returncode, "version 0.1.9" in done.stdout) == (1, True)
    assert f"expects {PACK_VERSION}" in joined(done.stderr)

    receipt = place(comfyui) / RECEIPT
    contract = place(comfyui) / "contract.py"
    contract.write_text((SOURCE / "contract.py").read_text())
    noted = json.loads(receipt.read_text())
    noted["contract.py"] = json.loads(_receipt_of_a_fresh_copy(comfyui))["contract.py"]
    receipt.write_text(json.dumps(noted))
    done = install(comfyui, "--check")
    assert (done.returncode, "its files differ" in joined(done.stderr)) == (1, True)


def _receipt_of_a_fresh_copy(comfyui: Path) -> str:
    fresh = comfyui.parent / "fresh"
    pack_files.place_copy(fresh, SOURCE)
    return (fresh / RECEIPT).read_text()


def test_the_same_pack_twice_is_a_mistake_unless_one_is_disabled(
    install: Install, comfyui: Path
) -> None:
    install(comfyui)
    second = place(comfyui, "comfy_node")
    second.symlink_to(SOURCE)

    for options in (("--check",), (), ("--copy",)):
        done = install(comfyui, *options)
        assert done.returncode == 1
        assert "2 times" in joined(done.stderr)
    second.rename(second.with_name("comfy_node.disabled"))
    assert install(comfyui, "--check").returncode == 0


def test_names_of_strangers_are_shown_without_their_control_characters(
    install: Install, comfyui: Path
) -> None:
    place(comfyui, "a\x1b[31mb").symlink_to(SOURCE)

    done = install(comfyui, "--check")

    assert done.returncode == 0
    assert is_plain(done.stdout + done.stderr)


def test_what_lies_there_is_never_waited_for(install: Install, comfyui: Path) -> None:
    os.mkfifo(comfyui / "custom_nodes" / "another_pack" / "contract.py")
    install(comfyui, "--copy")
    os.mkfifo(place(comfyui) / "a pipe")

    done = install(comfyui, "--check")

    assert (done.returncode, "changed by hand" in joined(done.stderr)) == (1, True)


def test_a_binary_contract_or_a_huge_one_is_read_as_far_as_it_matters(
    install: Install, comfyui: Path
) -> None:
    other = comfyui / "custom_nodes" / "another_pack"
    (other / "contract.py").write_bytes(b"\xff\x00" * 2_000_000)

    assert install(comfyui, "--check").returncode == 1
    assert install(comfyui).returncode == 0


def test_options_that_exclude_each_other(install: Install, comfyui: Path) -> None:
    done = install(comfyui, "--check", "--uninstall")

    assert (done.returncode, "exclude each other" in joined(done.stderr)) == (2, True)
