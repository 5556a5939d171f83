"""Recipes of sounds: every container of them, and the odd but legal forms of each."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from tests.corpus.cases import Draw, Recipe
from tests.corpus.ffmpeg import run
from tests.corpus.videos import SAME, Writer, covered, piped, sound, tagged


def heard(*options: str) -> Writer:
    """A writer of one to two seconds of sound."""

    def write(path: Path, draw: Draw) -> None:
        seconds = draw.rng.uniform(1.0, 2.0)
        source, channels = sound(draw, seconds), str(draw.rng.choice((1, 2)))
        run("-f", "lavfi", "-i", source, "-ac", channels, *options, *SAME, path)

    return write


def _recipe(name: str, codec: str, write: Writer, *encoders: str) -> Recipe:
    return Recipe(name, name.split("-", maxsplit=1)[0], codec, "audio", write, encoders)


def sounds() -> Iterator[Recipe]:
    """Every recipe of sounds."""
    pcm, flac, mp3 = heard("-c:a", "pcm_s16le"), heard("-c:a", "flac"), heard("-b:a", "128k")
    yield _recipe("wav-s16", "pcm", pcm)
    yield _recipe("wav-s24", "pcm", heard("-c:a", "pcm_s24le"))
    yield _recipe("wav-float", "pcm", heard("-c:a", "pcm_f32le"))
    yield _recipe("wav-pipe", "pcm", piped(pcm, "wav"))
    yield _recipe("flac", "flac", flac, "flac")
    yield _recipe("flac-24", "flac", heard("-sample_fmt", "s32"), "flac")
    yield _recipe("flac-pipe", "flac", piped(flac, "flac"), "flac")
    yield _recipe("flac-comfyui", "flac", tagged(flac, 300_000), "flac")
    yield _recipe("flac-cover", "flac", covered(flac), "flac")
    yield _recipe("mp3-cbr", "mp3", mp3, "libmp3lame")
    yield _recipe("mp3-vbr-id3v1", "mp3", heard("-q:a", "4", "-write_id3v1", "1"), "libmp3lame")
    yield _recipe("mp3-no-xing", "mp3", heard("-b:a", "96k", "-write_xing", "0"), "libmp3lame")
    yield _recipe("mp3-cover", "mp3", covered(mp3, "-id3v2_version", "3"), "libmp3lame")
    yield _recipe("mp3-comfyui", "mp3", tagged(mp3, 20_000), "libmp3lame")
    opus = heard("-c:a", "libopus")
    yield _recipe("opus", "opus", opus, "libopus")
    yield _recipe("opus-comfyui", "opus", tagged(opus, 20_000), "libopus")
    yield _recipe("ogg-vorbis", "vorbis", heard("-c:a", "libvorbis"), "libvorbis")
    yield _recipe("m4a-aac", "aac", heard("-c:a", "aac"), "aac")
