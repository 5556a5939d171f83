"""Recipes of what is odd, but legal: other encoders, other muxers' options, other metadata."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.corpus.cases import Draw, Recipe
from tests.corpus.ffmpeg import run
from tests.corpus.sounds import heard
from tests.corpus.stills import animation, still
from tests.corpus.videos import AAC, OPUS, SAME, VORBIS, X264, X264_AAC, Writer, again, video

SUBTITLES = "1\n00:00:00,000 --> 00:00:00,400\nOne\n\n2\n00:00:00,500 --> 00:00:00,900\nTwo\n"
CHAPTERS = ";FFMETADATA1\n[CHAPTER]\nTIMEBASE=1/1000\nSTART=0\nEND=400\ntitle=one\n"


def odd() -> Iterator[Recipe]:
    """Every odd recipe."""
    yield from (_recipe(*each) for each in (*_h264(), *_boxes(), *_codecs(), *_muxed()))
    yield from (_recipe(*each, media="audio") for each in _sounds())
    yield from (_recipe(*each, media="image") for each in _pictures())
    yield from (_recipe(*each) for each in _animations())


def _recipe(name: str, codec: str, write: Writer, *encoders: str, media: str = "video") -> Recipe:
    return Recipe(name, name.split("-", maxsplit=1)[0], codec, media, write, encoders)


def _x264(*parameters: str, **options: str) -> Writer:
    return video("libx264", "-x264-params", ":".join(parameters), **options)  # type: ignore[arg-type]


def _h264() -> Iterator[tuple[str, str, Writer]]:
    yield "mp4-odd-slices", "h264", _x264("slices=4", "bframes=2")
    yield "mp4-odd-intra-refresh", "h264", _x264("intra-refresh=1", "keyint=10")
    yield "mp4-odd-lossless", "h264", video("libx264", "-qp", "0", pixels="yuv444p")
    yield (
        "mp4-odd-aud-hrd",
        "h264",
        _x264("aud=1", "nal-hrd=vbr", "vbv-maxrate=900:vbv-bufsize=900"),
    )
    yield "mp4-odd-cavlc", "h264", _x264("cabac=0", "weightp=0", "ref=5")
    yield "mp4-odd-pyramid", "h264", _x264("bframes=7", "b-pyramid=strict", "b-adapt=0", "ref=8")
    yield "mp4-odd-one-key", "h264", _x264("keyint=infinite", "scenecut=0")
    yield "mp4-odd-all-keys", "h264", _x264("keyint=1")
    yield "mkv-odd-stitchable", "h264", _x264("stitchable=1", "repeat-headers=1")
    yield "mp4-odd-pulldown", "h264", _x264("pic-struct=1", "fake-interlaced=1")
    yield "mp4-odd-rgb", "h264", video("libx264rgb", pixels="rgb24")
    yield "mp4-odd-openh264", "h264", video("libopenh264", "-b:v", "600k")
    yield "mp4-odd-grey", "h264", video("libx264", pixels="gray")
    yield "mp4-odd-ntsc", "h264", video("libx264", "-r", "30000/1001", vf="setpts=N/30/TB")
    yield "mp4-odd-1fps", "h264", video("libx264", vf="setpts=N/TB", audio=AAC)


def _copied(name: str, *options: str) -> tuple[str, str, Writer]:
    return name, "h264", again(X264_AAC, (), options)


def _boxes() -> Iterator[tuple[str, str, Writer]]:
    yield _copied("mp4-odd-dash", "-movflags", "+dash+frag_keyframe")
    yield _copied("mp4-odd-cmaf", "-movflags", "+cmaf+frag_keyframe")
    yield _copied("mp4-odd-every-frame", "-movflags", "+frag_every_frame+empty_moov")
    yield _copied("mp4-odd-late-moov", "-movflags", "+frag_keyframe+delay_moov")
    yield _copied("mp4-odd-hybrid", "-movflags", "+hybrid_fragmented")
    yield _copied("mp4-odd-negative", "-movflags", "+negative_cts_offsets")
    yield _copied("mp4-odd-no-edits", "-use_editlist", "0")
    yield _copied("mp4-odd-reserved", "-moov_size", "60000")
    yield _copied("mp4-odd-rtphint", "-movflags", "+rtphint")
    yield _copied("mov-odd-timecode", "-timecode", "01:00:00:00")
    yield _copied("mp4-odd-scale", "-video_track_timescale", "90000", "-movie_timescale", "600")
    yield "mp4-odd-subtitles", "h264", with_more(X264_AAC, "-c:s", "mov_text")
    yield "mkv-odd-subtitles", "h264", with_more(X264_AAC, "-c:s", "srt")
    yield "mp4-odd-longer-sound", "h264", longer_sound(1.5)
    yield "mp4-odd-shorter-sound", "h264", longer_sound(-0.4)
    yield "mkv-odd-longer-sound", "h264", longer_sound(1.2)
    yield "mp4-odd-two-sounds", "h264", two_sounds
    yield "mp4-odd-joined", "h264", joined
    yield "mkv-odd-joined", "h264", joined


def _codecs() -> Iterator[tuple[str, str, Writer, str]]:
    x265 = ("-x265-params", "log-level=none:pools=none:frame-threads=1:{}")
    for name, more in (
        ("open-gop", "open-gop=1:keyint=8:bframes=4"),
        ("small-units", "ctu=16:min-cu-size=8:no-wpp=1"),
    ):
        options = (x265[0], x265[1].format(more))
        yield f"mp4-odd-hevc-{name}", "hevc", video("libx265", *options), "libx265"
    hev1 = video("libx265", x265[0], x265[1].format("repeat-headers=1:aud=1:hrd=0"))
    yield "mkv-odd-hevc-headers", "hevc", hev1, "libx265"
    yield "mp4-odd-kvazaar", "hevc", video("libkvazaar", size=(192, 128)), "libkvazaar"
    aom = ("-cpu-used", "8", "-row-mt", "0", "-crf", "40", "-usage", "realtime")
    yield "mkv-odd-av1-aom", "av1", video("libaom-av1", *aom), "libaom-av1"
    grain = ("-preset", "10", "-svtav1-params", "lp=1:film-grain=8", "-crf", "35")
    yield "mp4-odd-av1-grain", "av1", video("libsvtav1", *grain), "libsvtav1"
    fast = ("-cpu-used", "8", "-deadline", "realtime")
    yield "webm-odd-vp9-444", "vp9", video("libvpx-vp9", *fast, pixels="yuv444p"), "libvpx-vp9"
    lossless = video("libvpx-vp9", *fast, "-lossless", "1")
    yield "webm-odd-vp9-lossless", "vp9", lossless, "libvpx-vp9"
    two = ("-auto-alt-ref", "1", "-lag-in-frames", "12", "-arnr-strength", "3", "-cpu-used", "4")
    yield "webm-odd-vp8-altref", "vp8", video("libvpx", *two, "-b:v", "300k"), "libvpx"
    yield "mov-odd-mjpeg", "mjpeg", video("mjpeg", pixels="yuvj422p"), "mjpeg"
    dnx = video("dnxhd", "-profile:v", "dnxhr_sq", pixels="yuv422p", size=(256, 128))
    yield "mov-odd-dnxhr", "dnxhd", dnx, "dnxhd"
    yield "mov-odd-png", "png", video("png", pixels="rgba"), "png"
    yield "mkv-odd-huffyuv", "huffyuv", video("ffvhuff", pixels="yuv422p"), "ffvhuff"
    yield "avi-odd-utvideo", "utvideo", video("utvideo", pixels="yuv422p"), "utvideo"
    yield "avi-odd-raw", "rawvideo", video("rawvideo", pixels="yuv420p", frames=12), "rawvideo"
    yield "avi-odd-msmpeg4", "msmpeg4v3", video("msmpeg4", "-q:v", "5"), "msmpeg4"
    b_frames = video("mpeg4", "-bf", "2", "-q:v", "5", audio=AAC)
    yield "mp4-odd-mpeg4", "mpeg4", b_frames, "mpeg4"
    yield "ts-odd-mpeg2", "mpeg2video", video("mpeg2video", "-r", "25", vf=FIX25), "mpeg2video"


FIX25 = "setpts=N/25/TB"


def _muxed() -> Iterator[tuple[str, str, Writer]]:
    yield _copied("mkv-odd-cues-first", "-cues_to_front", "1")
    yield _copied("mkv-odd-reserved", "-reserve_index_space", "20000")
    yield _copied("mkv-odd-clusters", "-cluster_time_limit", "200")
    yield _copied("mkv-odd-live", "-live", "1")
    yield _copied("mkv-odd-no-crc", "-write_crc32", "0")
    yield _copied("ts-odd-m2ts", "-mpegts_m2ts_mode", "1")
    yield _copied("ts-odd-restarted", "-mpegts_flags", "+resend_headers", "-pat_period", "0.05")
    yield "avi-odd-b-frames", "h264", video("libx264", "-bf", "2", audio=("-c:a", "pcm_s16le"))
    yield "webm-odd-vorbis", "vp9", video("libvpx-vp9", "-cpu-used", "8", audio=VORBIS)
    yield "mkv-odd-opus", "h264", video("libx264", audio=OPUS)


def with_more(first: Writer, *options: str) -> Writer:
    """A writer that adds subtitles and chapters."""

    def write(path: Path, draw: Draw) -> int | None:
        with TemporaryDirectory() as folder:
            made, text = Path(folder) / f"made{path.suffix}", Path(folder) / "text.srt"
            chapters = Path(folder) / "chapters"
            text.write_text(SUBTITLES)
            chapters.write_text(CHAPTERS)
            frames = first(made, draw)
            inputs = ("-i", made, "-i", text, "-f", "ffmetadata", "-i", chapters)
            mapped = ("-map", "0", "-map", "1", "-map_chapters", "2", "-c", "copy")
            run(*inputs, *mapped, *options, *SAME, path)
        return frames

    return write


def longer_sound(by_s: float) -> Writer:
    """A writer whose sound lasts longer than its pictures, or shorter."""

    def write(path: Path, draw: Draw) -> int | None:
        draw = replace(draw, frames=max(draw.frames, draw.fps))
        with TemporaryDirectory() as folder:
            film, music = Path(folder) / f"film{path.suffix}", Path(folder) / "music.wav"
            frames = X264(film, draw)
            lasting = f"sine=f=400:b=3:d={draw.seconds + by_s:.3f}"
            run("-f", "lavfi", "-i", lasting, music)
            both = ("-i", film, "-i", music, "-map", "0:v", "-map", "1:a", "-c:v", "copy")
            run(*both, "-c:a", "aac", *SAME, path)
        return frames

    return write


def two_sounds(path: Path, draw: Draw) -> int | None:
    """Two languages."""
    with TemporaryDirectory() as folder:
        film = Path(folder) / f"film{path.suffix}"
        frames = X264_AAC(film, draw)
        run("-i", film, "-map", "0:v", "-map", "0:a", "-map", "0:a", "-c", "copy", *SAME, path)
    return frames


def joined(path: Path, draw: Draw) -> int | None:
    """Two films made alike, one behind the other, without a new encode."""
    draw = replace(draw, frames=max(12, draw.frames // 2))
    with TemporaryDirectory() as folder:
        names, total = [], 0
        for number in range(2):
            names.append(Path(folder) / f"{number}{path.suffix}")
            total += X264(names[-1], draw) or 0
        script = Path(folder) / "script"
        script.write_text("".join(f"file '{name}'\n" for name in names))
        run("-f", "concat", "-safe", "0", "-i", script, "-c", "copy", *SAME, path)
    return total


def _sounds() -> Iterator[tuple[str, str, Writer]]:
    yield "wav-odd-8bit", "pcm", heard("-c:a", "pcm_u8", "-ac", "1", "-ar", "11025")
    yield "wav-odd-rf64", "pcm", heard("-rf64", "always")
    yield "wav-odd-extensible", "pcm", heard("-c:a", "pcm_s32le", "-ac", "6")
    yield "wav-odd-bext", "pcm", heard("-write_bext", "1", "-metadata", "title=x")
    yield "wav-odd-mulaw", "pcm", heard("-c:a", "pcm_mulaw", "-ar", "8000", "-ac", "1")
    yield "wav-odd-adpcm", "adpcm", heard("-c:a", "adpcm_ms", "-ar", "22050")
    yield "flac-odd-mono", "flac", heard("-ac", "1", "-ar", "22050", "-frame_size", "1000")
    yield "flac-odd-surround", "flac", heard("-ac", "6", "-compression_level", "12")
    yield "mp3-odd-mono", "mp3", heard("-ac", "1", "-ar", "22050", "-b:a", "32k")
    yield "mp3-odd-320", "mp3", heard("-b:a", "320k", "-joint_stereo", "0", "-ar", "48000")
    yield "mp3-odd-abr", "mp3", heard("-abr", "1", "-b:a", "96k", "-metadata", "title=x")
    yield (
        "mp3-odd-reservoir",
        "mp3",
        heard("-reservoir", "0", "-b:a", "128k", "-id3v2_version", "4"),
    )
    yield "opus-odd-60ms", "opus", heard("-c:a", "libopus", "-frame_duration", "60", "-b:a", "16k")
    yield "opus-odd-voip", "opus", heard("-c:a", "libopus", "-application", "voip", "-ac", "1")
    yield "opus-odd-surround", "opus", heard("-c:a", "libopus", "-ac", "6", "-mapping_family", "1")
    yield "ogg-odd-flac", "flac", heard("-c:a", "flac")
    yield "ogg-odd-page", "vorbis", heard("-c:a", "libvorbis", "-page_duration", "100000")
    yield "m4a-odd-alac", "alac", heard("-c:a", "alac")
    yield "m4a-odd-fragmented", "aac", heard("-c:a", "aac", "-movflags", "frag_keyframe+empty_moov")


def _pictures() -> Iterator[tuple[str, str, Writer]]:
    yield "png-odd-grey-alpha", "png", still("LA", dpi=(72, 72))
    yield "png-odd-bits", "png", still("1")
    yield "png-odd-stored", "png", still("RGB", compress_level=0)
    yield "jpg-odd-cmyk", "jpeg", still("CMYK", quality=90)
    yield "jpg-odd-420-comment", "jpeg", still(quality=50, subsampling=2, comment=b"job_id:5")
    yield "jpg-odd-progressive-restart", "jpeg", still(progressive=True, restart_marker_blocks=7)
    yield "webp-odd-low", "webp", still(quality=1, method=0)
    yield "webp-odd-near", "webp", still("RGBA", lossless=True, quality=10, exact=True)


def _animations() -> Iterator[tuple[str, str, Writer]]:
    yield "gif-odd-optimized", "gif", animation("P", optimize=True, disposal=2, comment=b"prompt")
    yield "gif-odd-see-through", "gif", animation("P", transparency=0, disposal=1)
    yield "webp-odd-mixed", "webp", animation("RGBA", allow_mixed=True, quality=60)
    yield "webp-odd-small", "webp", animation(minimize_size=True, quality=30)
    yield "png-odd-default", "png", animation("RGB", blend=1)
