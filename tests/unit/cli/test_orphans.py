"""Instants and sizes as `reconciler orphans` takes and shows them."""

from __future__ import annotations

from datetime import datetime

import pytest
import typer

from reconciler.cli.orphans import instant, size

NOW = 1_790_000_000.0


@pytest.mark.parametrize(
    ("text", "ago_s"),
    [("0s", 0), ("90min", 5400), ("24h", 86_400), (" 7 d ", 604_800), ("2w", 1_209_600)],
)
def test_how_long_ago(text: str, ago_s: float) -> None:
    assert instant(text, NOW) == NOW - ago_s


@pytest.mark.parametrize("text", ["2026-11-24", "2026-11-24T18:00", "2026-11-24 18:00:01"])
def test_a_date_is_in_local_time(text: str) -> None:
    assert instant(text, NOW) == datetime.fromisoformat(text).timestamp()


def test_a_date_with_its_zone() -> None:
    assert instant("2026-11-24T18:00+02:00", NOW) == 1_795_536_000.0


@pytest.mark.parametrize("text", ["", "1", "h", "-1h", "1.5h", "1 month", "now", "2026-02-30"])
def test_what_is_no_instant(text: str) -> None:
    with pytest.raises(typer.BadParameter, match="write how long ago"):
        instant(text, NOW)


@pytest.mark.parametrize(
    ("size_bytes", "words"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (99_949, "99.9 kB"),
        (99_950, "100 kB"),
        (999_499, "999 kB"),
        (999_500, "1.0 MB"),
        (1_234_567_890, "1.2 GB"),
        (5 * 10**15, "5000 TB"),
    ],
)
def test_sizes_fit_their_column(size_bytes: int, words: str) -> None:
    assert size(size_bytes) == words
