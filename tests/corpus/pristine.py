"""All recipes, and which of them the ffmpeg here cannot make."""

from __future__ import annotations

from tests.corpus.cases import Recipe
from tests.corpus.ffmpeg import encoders
from tests.corpus.odd import odd
from tests.corpus.sounds import sounds
from tests.corpus.stills import animations, stills
from tests.corpus.videos import videos


def recipes() -> tuple[list[Recipe], list[str]]:
    """What can be made here, and in words what cannot."""
    known = encoders()
    able, unable = [], []
    for recipe in (*videos(), *animations(), *stills(), *sounds(), *odd()):
        missing = [each for each in recipe.encoders if each not in known]
        if missing:
            unable.append(f"{recipe.name}: ffmpeg has no encoder {', '.join(missing)}")
        else:
            able.append(recipe)
    return able, unable
