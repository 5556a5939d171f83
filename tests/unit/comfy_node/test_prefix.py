"""File name prefixes: one for each job, and never a way out of the output directory."""

from __future__ import annotations

import ntpath
import posixpath
import re
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from comfy_node.prefix import id_in_a_name, job_prefix

AT = time.struct_time((2026, 11, 4, 7, 8, 9, 2, 308, 0))
COMFYUI_TOKENS = re.compile("%(?:year|month|day|hour|minute|second|width|height)%")

ids = st.one_of(
    st.text(min_size=1, max_size=200),
    st.text(alphabet="ab_-.~/\\% A", min_size=1, max_size=8),
    st.integers().map(str),
)
#: What somebody might wire into the node, by mistake or by malice.
texts = st.one_of(st.text(max_size=200), st.text(alphabet="./\\%adYmwidth :~-_C", max_size=20))


def series(prefix: str, file_name: str) -> bool:
    """Whether ComfyUI takes the file for one of the prefix's when it looks for the next number."""
    base = posixpath.basename(prefix)
    return file_name[: len(base) + 1].lower() == f"{base}_".lower()


@pytest.mark.parametrize(
    ("job_id", "name", "subfolder", "expected"),
    [
        ("42", "", "", "42"),
        ("42", "shot one", "", "42_shot one"),
        ("42", "%Y%m%d-%H%M%S", "jobs/%Y-%m-%d", "jobs/2026-11-04/42_20261104-070809"),
        ("42", "%j", "", "42_308"),
        ("42", "%year%%d%day%", "%width%x%height%", "%width%x%height%/42_%year%04%day%"),
        ("42", "100%", "a%b", "a_b/42_100_"),
        ("42", "", "/etc/../../up\\..\\C:\\x", "etc/up/C_/x/42"),
        ("42", "../a", ".reconciler/./.. ", "reconciler/42__a"),
        ("42", "con", "NUL/com1.txt/console", "_NUL/_com1.txt/console/42__con"),
        ("42", "...", "Ünï/日本", "Ünï/日本/42"),
    ],
)
def test_spelling(job_id: str, name: str, subfolder: str, expected: str) -> None:
    prefix = job_prefix(job_id, name, subfolder, AT)

    assert prefix == expected


@pytest.mark.parametrize(
    ("job_id", "spelling"),
    [
        ("42", "42"),
        ("0d03459d-6976-4e9b-b2aa-7af51e14a600", "0d03459d-6976-4e9b-b2aa-7af51e14a600"),
        ("../../etc/passwd", "etc-passwd~"),
        ("/", "job~"),
        ("-5", "5~"),
        ("%width%", "width~"),
        ("JOB_7", "job-7~"),
        ("\ud800", "job~"),
        ("x" * 65, "x" * 40 + "~"),
    ],
)
def test_ids_are_plain_or_carry_a_digest(job_id: str, spelling: str) -> None:
    pattern = re.escape(spelling) + ("[0-9a-f]{12}" if spelling.endswith("~") else "")

    assert re.fullmatch(pattern, id_in_a_name(job_id))


@settings(deadline=None)
@given(job_id=ids, name=texts, subfolder=texts)
def test_whatever_comes_in_the_path_stays_below_the_output_directory(
    job_id: str, name: str, subfolder: str
) -> None:
    prefix = job_prefix(job_id, name, subfolder, AT)

    for path, rules in ((prefix, posixpath), (prefix, ntpath)):
        assert not rules.isabs(path)
        assert rules.splitdrive(path)[0] == ""
    for part in prefix.split("/"):
        assert part == part.strip(". ") != ""
        assert len(f"{part}_00001_.png".encode()) <= 255
        assert not set(part) & set('<>:"|?*\\\0\n')
    assert "%" not in COMFYUI_TOKENS.sub("", prefix)


@settings(deadline=None)
@given(job_id=ids)
def test_an_id_triggers_nothing_that_comfyui_replaces(job_id: str) -> None:
    assert re.fullmatch("[0-9a-z~-]+", job_prefix(job_id, "", "", AT))


@settings(deadline=None)
@given(first=ids, second=ids, name=texts, other=texts)
def test_two_jobs_never_share_a_series(first: str, second: str, name: str, other: str) -> None:
    mine, theirs = job_prefix(first, name, "", AT), job_prefix(second, other, "", AT)

    shared = series(mine, f"{theirs}_00001_.png") or series(theirs, f"{mine}_00001_.png")
    assert not shared or first == second


def test_ids_that_look_alike_to_windows_or_after_cleaning_stay_apart() -> None:
    alike = ["a-b", "a_b", "a/b", "A-B", "a b", "a-b_00001", "a", "A", "a-", "ä"]

    assert len({id_in_a_name(job_id).lower() for job_id in alike}) == len(alike)


def test_one_job_keeps_its_prefix() -> None:
    assert job_prefix("J_1", "x", "y", AT) == job_prefix("J_1", "x", "y", AT)
