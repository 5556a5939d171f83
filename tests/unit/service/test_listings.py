"""Listings in threads: one at a time, again where events were lost, and none forgotten."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from reconciler.errors import OutputError
from reconciler.outputs.scan import Scan
from reconciler.service import listings as module
from reconciler.service.listings import Listings
from tests.waiting import wait_for


class Rescans:
    """Lists when it is told to go on, and notes how it was asked."""

    def __init__(self, root: Path) -> None:
        self.go_on = threading.Event()
        self.asked: list[bool] = []
        self.fails = False

    def scan(self, newer_than: float, *, whole: bool) -> Scan:
        self.asked.append(whole)
        self.go_on.wait(10.0)
        if self.fails:
            raise OutputError("away")
        return Scan((), (), f"{newer_than:g}")


@pytest.fixture
def listings(monkeypatch: pytest.MonkeyPatch) -> Iterator[Listings]:
    monkeypatch.setattr(module, "Rescans", Rescans)
    made = Listings({"gpu": Path("/out")}, lambda name: None)
    yield made
    rescans(made).go_on.set()
    made.close()


def rescans(listings: Listings) -> Rescans:
    return listings._rescans["gpu"]  # type: ignore[return-value]


def taken(listings: Listings) -> list[str]:
    """Waits for one; which they are."""

    def found() -> list[str]:
        return [scan.marker for _, scan in listings.taken()]

    return wait_for(found, "a listing is done")


def test_a_listing_whose_news_got_lost_is_taken_nevertheless(listings: Listings) -> None:
    """The inbox was full: a listing that nobody takes would be the last one of its directory."""
    listings.begin("gpu", 1.0, whole=True)
    assert list(listings.taken()) == []
    rescans(listings).go_on.set()
    assert taken(listings) == ["1"]


def test_lost_events_have_a_running_one_repeated(listings: Listings) -> None:
    listings.begin("gpu", 1.0, whole=False)
    listings.begin("gpu", 2.0, whole=True)
    listings.begin("gpu", 3.0, whole=True)
    rescans(listings).go_on.set()
    assert taken(listings) + taken(listings) == ["1", "3"]
    assert rescans(listings).asked == [False, True]


def test_one_in_its_turn_is_left_out_while_another_runs(listings: Listings) -> None:
    listings.begin("gpu", 1.0, whole=True)
    listings.begin("gpu", 2.0, whole=False)
    rescans(listings).go_on.set()
    assert taken(listings) == ["1"]
    assert rescans(listings).asked == [True]


def test_slow_storage_is_left_alone_for_a_while(
    listings: Listings, monkeypatch: pytest.MonkeyPatch
) -> None:
    rescans(listings).go_on.set()
    listings.begin("gpu", 1.0, whole=True)
    listings._began_s["gpu"] -= 60.0
    assert taken(listings) == ["1"]
    listings.begin("gpu", 2.0, whole=False)
    assert rescans(listings).asked == [True]
    listings.begin("gpu", 3.0, whole=True)
    assert taken(listings) == ["3"]


def test_one_that_failed_is_no_listing_and_the_next_is_begun(listings: Listings) -> None:
    rescans(listings).go_on.set()
    rescans(listings).fails = True
    listings.begin("gpu", 1.0, whole=True)
    wait_for(listings._running["gpu"].done, "it failed")
    assert list(listings.taken()) == []
    rescans(listings).fails = False
    listings.begin("gpu", 2.0, whole=True)
    assert taken(listings) == ["2"]
