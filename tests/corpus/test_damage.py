"""Each way of damaging changes what it says, by what is drawn and nothing else."""

from __future__ import annotations

import io
import random
from pathlib import Path

import pytest
from PIL import Image

from tests.corpus import damage
from tests.corpus.build import DECK
from tests.corpus.cases import Draw
from tests.corpus.damage import Damage, boxes
from tests.corpus.strangers import bomb_gif, bomb_png, strangers
from tests.corpus.videos import X264

DATA = random.Random(5).randbytes(20_000)


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("film") / "film.mp4"
    X264(path, Draw.of("film"))
    return path.read_bytes()


@pytest.mark.parametrize("kind", dict.fromkeys(DECK), ids=lambda kind: kind.name)
def test_damage_depends_on_its_seed_alone(kind: Damage) -> None:
    first, words = kind.apply(DATA, random.Random(1))

    assert first != DATA
    assert words
    assert (first, words) == kind.apply(DATA, random.Random(1))
    assert first != kind.apply(DATA, random.Random(2))[0]


@pytest.mark.parametrize("kind", damage.PAYLOAD, ids=lambda kind: kind.name)
def test_damage_within_a_file_leaves_its_first_and_last_bytes(kind: Damage) -> None:
    for seed in range(30):
        changed, _ = kind.apply(DATA, random.Random(seed))
        assert changed[:2000] == DATA[:2000]
        assert changed[-100:] == DATA[-100:]


def test_only_a_missing_chunk_changes_the_size() -> None:
    sizes = {kind.name: len(kind.apply(DATA, random.Random(3))[0]) for kind in damage.PAYLOAD}

    assert sizes.pop("missing chunk") < len(DATA)
    assert set(sizes.values()) == {len(DATA)}


def test_a_film_without_moov_keeps_its_other_boxes(film: bytes) -> None:
    before = [kind for kind, _, _ in boxes(film)]
    left, _ = damage.no_moov(film, random.Random(1))

    assert b"moov" in before
    assert [kind for kind, _, _ in boxes(left)] == [kind for kind in before if kind != b"moov"]


def test_a_rate_of_zero_changes_the_table_of_times_alone(film: bytes) -> None:
    changed, _ = damage.zero_rate(film, random.Random(1))
    table = film.find(b"stts")
    differing = [at for at, (one, two) in enumerate(zip(film, changed, strict=True)) if one != two]

    assert differing
    assert all(table < at < table + 200 for at in differing)


def test_bombs_are_small_and_claim_what_nobody_should_decode() -> None:
    for bomb in (bomb_png(20_000), bomb_gif(20_000)):
        assert len(bomb) < 300_000
        Image.MAX_IMAGE_PIXELS = None
        with Image.open(io.BytesIO(bomb)) as image:
            assert image.size == (20_000, 20_000)


def test_strangers_name_the_file_beside_them(tmp_path: Path) -> None:
    found = {each.name: each.data for each in strangers(random.Random(1), "neighbour.mp4")}

    for name in ("HLS playlist", "DASH manifest", "concat script", "SVG"):
        assert b"neighbour.mp4" in found[name]
    assert found["archive"][:2] in (b"PK", b"\x1f\x8b")
