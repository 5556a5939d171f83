"""Planted bugs are caught: three of them here, all of them with `make mutants`."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults.conftest import Figure
from tests.faults.mutants.planted import MUTANTS, Mutant
from tests.faults.mutants.planting import (
    CannotPlant,
    copy_of_the_package,
    look_for_it,
    plant,
)

#: They are noticed soon.
SHORT = ("the row's status is not compared", "one look that misses", "damage is confirmed by one")


def _begins(words: str) -> Mutant:
    (found,) = [mutant for mutant in MUTANTS if mutant.name.startswith(words)]
    return found


@pytest.mark.timeout(900)
@pytest.mark.parametrize("words", SHORT)
def test_a_planted_bug_is_caught(
    words: str, tmp_path: Path, postgres_url: str, figure: Figure
) -> None:
    mutant = _begins(words)
    plant(mutant, copy_of_the_package(tmp_path))
    outcome = look_for_it(mutant, tmp_path, postgres_url)
    figure(f"{mutant.name}: after {outcome.histories} histories, {outcome.steps} steps")
    assert outcome.caught


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_every_bug_can_be_planted(mutant: Mutant, tmp_path: Path) -> None:
    """Where the code was rewritten the bug has to be, too."""
    plant(mutant, copy_of_the_package(tmp_path))


def test_a_bug_whose_place_is_gone_is_no_success(tmp_path: Path) -> None:
    folder = copy_of_the_package(tmp_path)
    with pytest.raises(CannotPlant):
        plant(Mutant("a bug", "core/case.py", "no such words", ""), folder)
