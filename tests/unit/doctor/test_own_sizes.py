"""The sizes of our own tables in words."""

from __future__ import annotations

from reconciler.doctor.own_sizes import words_of


def test_the_largest_are_named_and_all_are_counted() -> None:
    names = ("events", "outputs", "prompts", "job_state", "servers")
    sizes = (2_500_000_000, 8_000_000, 900_000, 100_000, 50_000)
    tables = [
        {"name": name, "size_bytes": size, "rows": size // 400}
        for name, size in zip(names, sizes, strict=True)
    ]
    assert words_of(tables) == (
        "2.5 GB: events 2.5 GB (6,250,000 rows), outputs 8.0 MB (20,000 rows),"
        " prompts 0.9 MB (2,250 rows), job_state 0.1 MB (250 rows)"
    )
