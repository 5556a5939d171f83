"""The kernel's limits: too low, used up, unknown."""

import errno
import os
from pathlib import Path

import pytest

from reconciler.doctor import inotify
from reconciler.doctor.finding import Level
from reconciler.doctor.inotify import (
    InotifyLimits,
    check_instances,
    check_watches,
    judge_instances,
    read_limits,
)

ROOMY = InotifyLimits(watches=100_000, instances=128)


def test_limits_are_read() -> None:
    limits = read_limits()
    assert limits.watches is not None
    assert limits.watches > 0
    assert limits.instances is not None
    assert limits.instances > 0


def test_a_kernel_that_does_not_say(monkeypatch: pytest.MonkeyPatch, tmp_path: object) -> None:
    monkeypatch.setattr(inotify, "_FOLDER", tmp_path)
    monkeypatch.setattr(inotify, "_NAMESPACE", tmp_path)
    assert read_limits() == InotifyLimits(None, None)


def test_the_lower_of_two_limits_holds(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "max_user_watches").write_text("8192\n")
    (tmp_path / "max_inotify_watches").write_text("100\n")
    (tmp_path / "max_user_instances").write_text("128\n")
    monkeypatch.setattr(inotify, "_FOLDER", tmp_path)
    monkeypatch.setattr(inotify, "_NAMESPACE", tmp_path)
    assert read_limits() == InotifyLimits(100, 128)


def test_watches_in_plenty(tmp_path: object) -> None:
    assert list(check_watches("gpu1", str(tmp_path), 50_000, ROOMY)) == []


def test_half_of_the_watches_is_too_much(tmp_path: object) -> None:
    (finding,) = check_watches("gpu1", str(tmp_path), 200_001, InotifyLimits(400_000, 128))
    assert finding.level is Level.WARNING
    assert "sysctl fs.inotify.max_user_watches=800004" in finding.advice


def test_watches_that_others_have_used_up(
    tmp_path: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: str) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(inotify, "probe_limits", full)
    (finding,) = check_watches("gpu1", str(tmp_path), 3, ROOMY)
    assert finding.level is Level.WARNING
    assert "fs.inotify.max_user_watches is used up" in finding.detail
    assert "/etc/sysctl.d" in finding.advice


def test_other_trouble_is_no_matter_of_limits(tmp_path: object) -> None:
    with pytest.raises(FileNotFoundError):
        list(check_watches("gpu1", f"{tmp_path}/missing", 3, ROOMY))


def test_an_instance_can_be_had_here() -> None:
    descriptors = len(os.listdir("/proc/self/fd"))
    (finding,) = check_instances(2, ROOMY)
    assert finding.level is Level.OK
    assert finding.detail == "max_user_watches 100000, max_user_instances 128"
    assert len(os.listdir("/proc/self/fd")) == descriptors


def test_too_few_instances_for_the_servers() -> None:
    assert judge_instances(3, InotifyLimits(1000, 4), "").level is Level.OK
    finding = judge_instances(4, InotifyLimits(1000, 4), "")
    assert finding.level is Level.WARNING
    assert "5 instances are needed" in finding.detail
    assert "sysctl fs.inotify.max_user_instances=512" in finding.advice


def test_no_instance_left() -> None:
    finding = judge_instances(1, ROOMY, "Too many open files")
    assert finding.level is Level.WARNING
    assert "no instance is left (Too many open files)" in finding.detail
    assert "max_user_instances" in finding.advice


def test_unknown_limits_are_no_complaint() -> None:
    assert judge_instances(1, InotifyLimits(None, None), "").level is Level.OK


def test_no_descriptor_left_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    class Libc:
        def __init__(self, *_: object, **__: object) -> None: ...

        @staticmethod
        def inotify_init1(_: int) -> int:
            return -1

    monkeypatch.setattr(inotify.ctypes, "CDLL", Libc)
    monkeypatch.setattr(inotify.ctypes, "get_errno", lambda: errno.EMFILE)
    (finding,) = check_instances(1, ROOMY)
    assert "Too many open files" in finding.detail
    monkeypatch.delattr(Libc, "inotify_init1")
    (finding,) = check_instances(1, ROOMY)
    assert "this system has no inotify" in finding.detail
