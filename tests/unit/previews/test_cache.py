"""Kept pictures: whole or not at all, and all together bounded."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from reconciler.previews.cache import PictureCache


def test_kept_and_found_again(tmp_path: Path) -> None:
    cache = PictureCache(tmp_path / "new" / "folder", 1000)
    assert cache.get("a") is None
    cache.put("a", b"picture")
    assert cache.get("a") == b"picture"
    assert PictureCache(tmp_path / "new" / "folder", 1000).get("a") == b"picture"


def test_the_oldest_go(tmp_path: Path) -> None:
    cache = PictureCache(tmp_path, 300)
    for number, name in enumerate("abcde"):
        cache.put(name, bytes(100))
        os.utime(tmp_path / name, (number, number))
    assert sorted(os.listdir(tmp_path)) == ["c", "d", "e"]


def test_one_that_is_larger_than_all_may_be_stays_alone(tmp_path: Path) -> None:
    cache = PictureCache(tmp_path, 50)
    cache.put("a", bytes(40))
    cache.put("b", bytes(400))
    assert os.listdir(tmp_path) == ["b"]


def test_nothing_half_is_seen_or_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = PictureCache(tmp_path, 1000)
    cache.put("a", b"old")
    seen: list[bytes | None] = []

    def full(descriptor: int) -> None:
        seen.append(cache.get("a"))
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        cache.put("a", b"new")
    assert seen == [b"old"]
    assert cache.get("a") == b"old"
    assert os.listdir(tmp_path) == ["a"]


def test_what_a_kill_left_goes_after_an_hour(tmp_path: Path) -> None:
    cache = PictureCache(tmp_path, 1000)
    for name, age_s in ((".unfinished-old", 7200), (".unfinished-new", 60)):
        (tmp_path / name).write_bytes(b"half")
        now = os.stat(tmp_path / name).st_mtime
        os.utime(tmp_path / name, (now - age_s, now - age_s))
    cache.put("a", b"picture")
    assert sorted(os.listdir(tmp_path)) == [".unfinished-new", "a"]
