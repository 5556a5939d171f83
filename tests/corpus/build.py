"""Makes a corpus: sound files, each in some variants, and damaged ones."""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.corpus import damage
from tests.corpus.cases import SOUND, Case, Draw, Recipe, Truth, write_index
from tests.corpus.damage import Damage
from tests.corpus.names import ODD as ODD_NAMES
from tests.corpus.pristine import recipes
from tests.corpus.strangers import strangers
from tests.corpus.truth import differences, shown
from tests.corpus.videos import again

#: The same recipes with other content: one to work on, one to report on.
SPLITS = ("work", "report")
#: Of every recipe so many sound files of different content.
VARIANTS = 2
#: Of the first of them so many are damaged.
DAMAGED_EACH = 3
#: They end where they end: cut, or longer, each is what a shorter or longer sound would be.
ENDLESS = frozenset({"wav-pipe"})
#: Of an odd recipe: one sound file, and one damaged.
ODD = 1
#: Damage within the file counts twice in the draw: it is what is hard to see.
DECK = (*damage.PAYLOAD, *damage.PAYLOAD, *damage.TRUNCATED, damage.HEADER_ONLY, damage.TAIL)


def build(folder: Path, seed: int, split: str, only: frozenset[str] | None = None) -> list[Case]:
    """Write the corpus of that seed and split, and its index. `only` names recipes."""
    able, _ = recipes()
    chosen = [each for each in able if only is None or each.name in only]
    folder.mkdir(parents=True, exist_ok=True)
    builder = _Builder(folder, seed, split)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        cases = [case for found in pool.map(builder.family, chosen) for case in found]
    cases += builder.named([case for case in cases if case.damage == SOUND])
    cases += builder.special(cases)
    write_index(folder, cases)
    return cases


class _Builder:
    def __init__(self, folder: Path, seed: int, split: str) -> None:
        self._folder = folder
        self._names = (split, seed)

    def _rng(self, *names: object) -> random.Random:
        return random.Random("/".join(map(str, (*self._names, *names))))

    def family(self, recipe: Recipe) -> list[Case]:
        """The sound files of a recipe, and the damaged ones made of the first."""
        cases = [
            self._sound(recipe, variant) for variant in range(ODD if _is_odd(recipe) else VARIANTS)
        ]
        rng = self._rng("damage", recipe.name)
        for each in self._damages(recipe, rng):
            cases.append(self._damaged(cases[0], each, self._rng(recipe.name, each.name)))
        return cases

    def _damages(self, recipe: Recipe, rng: random.Random) -> list[Damage]:
        chosen: list[Damage] = []
        while len(chosen) < (ODD if _is_odd(recipe) else DAMAGED_EACH):
            each = rng.choice(DECK)
            if each not in chosen:
                chosen.append(each)
        return chosen

    def _sound(self, recipe: Recipe, variant: int) -> Case:
        path = self._folder / f"{recipe.name}.{variant}.{recipe.extension}"
        frames = recipe.write(path, Draw.of(*self._names, recipe.name, variant))
        return Case(
            *(path.name, SOUND, recipe.name, recipe.extension, recipe.codec, recipe.media),
            truth=Truth.SOUND,
            frames=frames,
        )

    def _damaged(self, case: Case, kind: Damage, rng: random.Random) -> Case:
        pristine = self._folder / case.path
        data, words = _changed(pristine.read_bytes(), kind, rng)
        name = f"{case.recipe}.{kind.name.replace(' ', '')}.{case.container}"
        (self._folder / name).write_bytes(data)
        truth = Truth.DAMAGED
        constructed = kind.constructed and not _is_legal(case, kind.name)
        if not constructed:
            was, now = (shown(self._folder / p, case.container) for p in (case.path, name))
            seen = differences(was, now)
            truth, words = (Truth.DAMAGED if seen else Truth.HARMLESS), f"{words}: {seen}"
        return self._of(case, name, kind.name, words, truth=truth, constructed=constructed)

    def _of(
        self,
        case: Case,
        name: str,
        kind: str,
        words: str,
        truth: Truth = Truth.DAMAGED,
        constructed: bool = True,
    ) -> Case:
        return Case(
            *(name, kind, case.recipe, case.container, case.codec, case.media, truth),
            frames=case.frames,
            pristine=case.path,
            what=words,
            constructed=constructed,
        )

    def named(self, sound: list[Case]) -> Iterator[Case]:
        """Sound files, and now and then a damaged one, under odd names."""
        rng = self._rng("names")
        for number, stem in enumerate(ODD_NAMES):
            case = rng.choice(sound)
            name = f"{stem}.{case.container}"
            if number % 5 == 4:
                data = (self._folder / case.path).read_bytes()
                (self._folder / name).write_bytes(data[: len(data) // 2])
                kind = "truncated 50 %"
                by_rule = not _is_legal(case, kind)
                yield self._of(case, name, kind, "cut in half", constructed=by_rule)
            else:
                shutil.copyfile(self._folder / case.path, self._folder / name)
                yield self._of(case, name, SOUND, "", Truth.SOUND, constructed=False)

    def special(self, cases: list[Case]) -> Iterator[Case]:
        """Damage that fits some files only, and what is no media at all."""
        first = {case.recipe: case for case in reversed(cases) if case.damage == SOUND}
        yield from self._targeted(first)
        yield from self._leaps(first)
        yield from self._miscounted(first)
        yield from self._disguised(first)
        yield from self._strange(cases[0].path)

    def _targeted(self, first: dict[str, Case]) -> Iterator[Case]:
        wanted = [(name, damage.NO_MOOV) for name in first if name[:3] in ("mp4", "mov", "m4a")][:6]
        wanted += [(name, damage.EMPTY) for name in ("mp4-h264", "webm-vp9-opus", "png", "flac")]
        wanted += [(name, damage.ZERO_RATE) for name in ("mp4-h264", "mp4-hevc", "mov-prores")]
        wanted += [("avi-h264", damage.ZERO_RATE_AVI)]
        for name, kind in wanted:
            if name in first:
                yield self._damaged(first[name], kind, self._rng(name, kind.name))

    def _leaps(self, first: dict[str, Case]) -> Iterator[Case]:
        for recipe in ("mp4-h264", "mkv-hevc", "webm-vp9-odd", "ts-h264", "mov-prores"):
            if recipe not in first:
                continue
            case, rng = first[recipe], self._rng("leap", recipe)
            name = f"{recipe}.leap.{case.container}"
            at, hours = rng.randint(3, (case.frames or 8) - 2), rng.randint(2, 9)
            later = f"if(gte(N,{at}),{{}}+{hours * 3600}/TB,{{}})"
            pts, dts = later.format("PTS", "PTS"), later.format("DTS", "DTS")
            shift = ("-bsf:v", f"setts=pts='{pts}':dts='{dts}'")
            writer = again(lambda path, _, was=case: self._copy(was, path), (), shift)
            writer(self._folder / name, Draw.of(0))
            yield self._of(case, name, "timestamp jump", f"{hours} hours after frame {at}")

    def _copy(self, case: Case, path: Path) -> int | None:
        shutil.copyfile(self._folder / case.path, path)
        return case.frames

    def _miscounted(self, first: dict[str, Case]) -> Iterator[Case]:
        """Whole files with a frame too few or too many: only who expects a number can tell."""
        for recipe in ("mp4-h264-aac", "webm-vp9-opus", "mkv-h264-aac", "gif", "webp-animated"):
            for kind, by in (("frames missing", 1), ("frames doubled", -1)):
                if recipe in first and (frames := first[recipe].frames) is not None:
                    case = first[recipe]
                    name = f"{recipe}.{kind.replace(' ', '')}.{case.container}"
                    shutil.copyfile(self._folder / case.path, self._folder / name)
                    words = f"{frames} frames, {frames + by} expected"
                    made = self._of(case, name, kind, words)
                    yield Case(**{**_values(made), "frames": frames + by})

    def _disguised(self, first: dict[str, Case]) -> Iterator[Case]:
        pairs = (("png", "mp4"), ("mp4-h264", "webm"), ("webm-vp8", "mp4"), ("jpg", "png"))
        for recipe, extension in (*pairs, ("wav-s16", "flac"), ("gif", "webp"), ("webp", "png")):
            if recipe in first:
                case = first[recipe]
                name = f"{recipe}.wrongextension.{extension}"
                shutil.copyfile(self._folder / case.path, self._folder / name)
                yield self._of(case, name, "wrong extension", f"{case.container} as {extension}")

    def _strange(self, neighbour: str) -> Iterator[Case]:
        for number, each in enumerate(strangers(self._rng("strangers"), neighbour)):
            name = f"stranger.{number}.{each.extension}"
            (self._folder / name).write_bytes(each.data)
            yield Case(
                *(name, each.name, "stranger", each.extension, "none", "unknown", Truth.DAMAGED),
                what=each.name,
                constructed=True,
            )


def _is_legal(case: Case, kind: str) -> bool:
    """Whether the damaged file is one that its writer might have written."""
    return case.recipe in ENDLESS and kind.startswith(("truncated", "tail"))


def _is_odd(recipe: Recipe) -> bool:
    return "-odd-" in recipe.name


def _values(case: Case) -> dict[str, object]:
    return {name: getattr(case, name) for name in case.__dataclass_fields__}


def _changed(data: bytes, kind: Damage, rng: random.Random) -> tuple[bytes, str]:
    """Damage that really changed something: zeros over zeros are drawn again."""
    for _ in range(50):
        changed, words = kind.apply(data, rng)
        if changed != data:
            return changed, words
    raise ValueError(f"{kind.name}: 50 draws changed nothing in {len(data)} bytes")
