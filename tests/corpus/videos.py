"""Recipes of videos: every container and codec, and the odd but legal forms of each."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from PIL import Image

from tests.corpus.cases import Draw, Recipe
from tests.corpus.ffmpeg import run

Writer = Callable[[Path, Draw], int | None]
#: The same bytes for the same draw: no random ids, one thread.
SAME = ("-fflags", "+bitexact", "-threads", "1")
AAC, OPUS, VORBIS = ("-c:a", "aac"), ("-c:a", "libopus"), ("-c:a", "libvorbis")
X265 = ("-x265-params", "log-level=none:pools=none:frame-threads=1")
SVT = ("-preset", "10", "-svtav1-params", "lp=1")
PACK = ("-movflags", "use_metadata_tags")


def pictures(draw: Draw) -> str:
    """A source of moving pictures, in lavfi's words."""
    rng, size = draw.rng, f"s={draw.width}x{draw.height}:r={draw.fps}"
    seed = rng.randrange(1, 2**31)
    return rng.choice(
        (
            f"testsrc2={size}",
            f"testsrc2={size},noise=alls={rng.randint(8, 40)}:allf=t:all_seed={seed}",
            f"gradients={size}:seed={seed}:speed={rng.uniform(0.02, 0.1):.3f}:n=4",
            f"mandelbrot={size}:start_scale={rng.uniform(0.3, 3):.3f}:maxiter=300",
            f"life={size}:seed={seed}:mold=10:death_color=#203080:life_color=#f0d020",
        )
    )


def sound(draw: Draw, seconds: float) -> str:
    """A source of sound, in lavfi's words."""
    rng, last = draw.rng, f"d={seconds:.3f}"
    rate = rng.choice((44100, 48000))
    return rng.choice(
        (
            f"sine=f={rng.randint(200, 2000)}:b=4:r={rate}:{last}",
            f"anoisesrc=c=pink:a=0.4:seed={rng.randrange(2**31)}:r={rate}:{last}",
        )
    )


def crf(draw: Draw, low: int = 16, high: int = 30) -> tuple[str, str]:
    """A quality of this draw."""
    return "-crf", str(draw.rng.randint(low, high))


def graph(size_bytes: int) -> str:
    """A workflow, as savers write it into a file's metadata, of about that size."""
    node = {"class_type": "KSampler", "inputs": {"seed": 7, "text": 'a house; 100 % = #1\\n"x"'}}
    one = len(json.dumps(node)) + 8
    return json.dumps({str(number): node for number in range(max(1, size_bytes // one))})


def video(
    encoder: str,
    *options: str,
    audio: tuple[str, ...] = (),
    vf: str = "null",
    pixels: str = "yuv420p",
    quality: bool = False,
    frames: int | None = None,
    size: tuple[int, int] | None = None,
) -> Writer:
    """A writer of videos by one call of ffmpeg."""

    def write(path: Path, draw: Draw) -> int:
        width, height = size or (draw.width, draw.height)
        draw = replace(draw, width=width, height=height, frames=frames or draw.frames)
        source = f"{pictures(draw)},{vf}" if vf != "null" else pictures(draw)
        heard = ("-f", "lavfi", "-i", sound(draw, draw.seconds)) if audio else ()
        rate = crf(draw) if quality else ()
        run(
            *("-f", "lavfi", "-i", source, *heard, "-c:v", encoder, "-pix_fmt", pixels),
            *(*rate, *audio, *options, "-frames:v", str(draw.frames), *SAME, path),
        )
        return draw.frames

    return write


def again(first: Writer, before: tuple[str, ...], after: tuple[str, ...]) -> Writer:
    """A writer that copies the streams of another's file, with other options."""

    def write(path: Path, draw: Draw) -> int | None:
        with TemporaryDirectory() as folder:
            made = Path(folder) / f"made{path.suffix}"
            frames = first(made, draw)
            run(*before, "-i", made, "-map", "0", "-c", "copy", *after, *SAME, path)
        return frames

    return write


def piped(first: Writer, muxer: str, *options: str) -> Writer:
    """A writer into a pipe: what is only known at the end cannot be filled in at the start."""

    def write(path: Path, draw: Draw) -> int | None:
        with TemporaryDirectory() as folder:
            made = Path(folder) / f"made{path.suffix}"
            frames = first(made, draw)
            copy = ("-map", "0", "-c", "copy", *options)
            path.write_bytes(run("-i", made, *copy, *SAME, "-f", muxer, "pipe:1").stdout)
        return frames

    return write


def tagged(first: Writer, size_bytes: int, *options: str) -> Writer:
    """A writer of what ComfyUI's savers add: the graph, and the ids of the job."""

    def write(path: Path, draw: Draw) -> int | None:
        with TemporaryDirectory() as folder:
            made, tags = Path(folder) / f"made{path.suffix}", Path(folder) / "tags"
            frames = first(made, draw)
            escaped = "".join(f"\\{c}" if c in "=;#\\\n" else c for c in graph(size_bytes))
            tags.write_text(f";FFMETADATA1\njob_id=job {draw.frames}\nprompt={escaped}\n")
            run(
                *("-i", made, "-f", "ffmetadata", "-i", tags, "-map", "0", "-map_metadata", "1"),
                *("-c", "copy", *options, *SAME, path),
            )
        return frames

    return write


def covered(first: Writer, *options: str) -> Writer:
    """A writer that adds a cover, which is a stream of one picture."""

    def write(path: Path, draw: Draw) -> int | None:
        with TemporaryDirectory() as folder:
            made, cover = Path(folder) / f"made{path.suffix}", Path(folder) / "cover.jpg"
            frames = first(made, draw)
            Image.effect_mandelbrot((80, 80), (-2, -1.5, 1, 1.5), 90).save(cover)
            at = 0 if frames is None else 1
            run(
                *("-i", made, "-i", cover, "-map", "0", "-map", "1:v", "-c", "copy"),
                *(f"-disposition:v:{at}", "attached_pic", *options, *SAME, path),
            )
        return frames

    return write


def late_picture(path: Path, draw: Draw) -> int:
    """The picture begins after the sound: an empty edit list."""
    heard = ("-f", "lavfi", "-i", sound(draw, draw.seconds + 0.5))
    run(
        *("-itsoffset", "0.5", "-f", "lavfi", "-i", pictures(draw), *heard, "-c:v", "libx264"),
        *("-pix_fmt", "yuv420p", *AAC, "-frames:v", str(draw.frames), *SAME, path),
    )
    return draw.frames


def cut_by_edit_list(path: Path, draw: Draw) -> int:
    """Cut without a new encode: the frames before the cut are there, but are not presented."""
    skipped = draw.frames // 4
    start_s = (skipped - 0.5) / draw.fps
    writer = video("libx264", "-bf", "2", "-g", "250", quality=True)
    again(writer, ("-ss", f"{start_s:.6f}"), ())(path, draw)
    return draw.frames - skipped


X264 = video("libx264", "-bf", "3", "-g", "12", quality=True)
X264_AAC = video("libx264", "-bf", "2", quality=True, audio=AAC)
UNEVEN = "select='not(between(mod(n,7),2,3))'"


def videos() -> Iterator[Recipe]:
    """Every recipe of videos."""
    yield from _iso()
    yield from _matroska()
    yield from _others()


def _recipe(name: str, codec: str, write: Writer, *encoders: str) -> Recipe:
    return Recipe(name, name.split("-", maxsplit=1)[0], codec, "video", write, encoders)


def _h264(name: str, write: Writer) -> Recipe:
    return _recipe(name, "h264", write, "libx264")


def _iso() -> Iterator[Recipe]:
    fragments = ("-movflags", "frag_keyframe+empty_moov+default_base_moof")
    yield _h264("mp4-h264", X264)
    yield _h264("mp4-h264-baseline", video("libx264", "-profile:v", "baseline", quality=True))
    yield _h264("mp4-h264-faststart", again(X264, (), ("-movflags", "+faststart")))
    yield _h264("mp4-h264-fragmented", again(X264_AAC, (), fragments))
    yield _h264("mp4-h264-aac", X264_AAC)
    yield _h264("mp4-h264-edit-list", cut_by_edit_list)
    yield _h264("mp4-h264-empty-edit", late_picture)
    vfr = ("-fps_mode", "vfr", "-bf", "2")
    yield _h264("mp4-h264-vfr", video("libx264", *vfr, vf=UNEVEN, quality=True))
    yield _h264("mp4-h264-rotated", again(X264, ("-display_rotation", "90"), ()))
    full = ("-color_range", "pc")
    yield _h264("mp4-h264-full-range", video("libx264", *full, vf="scale=out_range=pc"))
    yield _h264("mp4-h264-444-odd", video("libx264", pixels="yuv444p", size=(151, 97)))
    yield _h264("mp4-h264-10bit", video("libx264", pixels="yuv420p10le", quality=True))
    yield _h264("mp4-h264-single", video("libx264", frames=1))
    woven = ("-flags", "+ildct+ilme", "-x264-params", "tff=1")
    yield _h264("mp4-h264-interlaced", video("libx264", *woven, vf="setfield=tff"))
    opened = ("-x264-params", "open-gop=1:keyint=8:bframes=3:b-pyramid=normal")
    yield _h264("mp4-h264-open-gop", video("libx264", *opened))
    yield _h264("mp4-h264-cover", covered(X264_AAC))
    yield _h264("mp4-h264-comfyui", tagged(X264_AAC, 20_000, *PACK))
    yield _h264("mp4-h264-graph-1mb", tagged(X264, 1_000_000, *PACK))
    yield _h264("mov-h264-pcm", video("libx264", quality=True, audio=("-c:a", "pcm_s16le")))
    hevc = video("libx265", *X265, "-tag:v", "hvc1", quality=True)
    yield _recipe("mp4-hevc", "hevc", hevc, "libx265")
    ten = video("libx265", *X265, quality=True, pixels="yuv420p10le", audio=AAC)
    yield _recipe("mov-hevc-10bit", "hevc", ten, "libx265")
    yield _recipe("mp4-av1", "av1", video("libsvtav1", *SVT, "-crf", "40"), "libsvtav1")
    yield _recipe("mp4-vp9-opus", "vp9", video("libvpx-vp9", *VPX, audio=OPUS), "libvpx-vp9")
    prores = video("prores_ks", "-profile:v", "2", pixels="yuv422p10le")
    yield _recipe("mov-prores", "prores", prores, "prores_ks")
    yield _recipe("mov-prores-4444", "prores", PRORES_4444, "prores_ks")


VPX = ("-deadline", "realtime", "-cpu-used", "6", "-b:v", "400k")
PRORES_4444 = video(
    "prores_ks", "-profile:v", "4", pixels="yuva444p10le", audio=("-c:a", "pcm_s16le")
)


def _matroska() -> Iterator[Recipe]:
    yield _h264("mkv-h264-aac", X264_AAC)
    yield _h264("mkv-h264-comfyui", tagged(X264_AAC, 20_000))
    yield _h264("mkv-h264-pipe", piped(X264_AAC, "matroska"))
    yield _h264("mkv-h264-vfr", video("libx264", "-fps_mode", "vfr", vf=UNEVEN, quality=True))
    hevc = video("libx265", *X265, quality=True)
    yield _recipe("mkv-hevc", "hevc", hevc, "libx265")
    ffv1 = video("ffv1", "-level", "3", "-slicecrc", "1", "-slices", "4", audio=("-c:a", "flac"))
    yield _recipe("mkv-ffv1-flac", "ffv1", ffv1, "ffv1")
    yield _recipe("mkv-ffv1-v1", "ffv1", video("ffv1", "-level", "1"), "ffv1")
    vp8, vp9 = video("libvpx", *VPX, audio=VORBIS), video("libvpx-vp9", *VPX, audio=OPUS)
    yield _recipe("webm-vp8-vorbis", "vp8", vp8, "libvpx", "libvorbis")
    yield _recipe("webm-vp8", "vp8", video("libvpx", *VPX, "-auto-alt-ref", "1"), "libvpx")
    yield _recipe("webm-vp9-opus", "vp9", vp9, "libvpx-vp9", "libopus")
    yield _recipe("webm-vp9-pipe", "vp9", piped(vp9, "webm"), "libvpx-vp9")
    odd = video("libvpx-vp9", *VPX, size=(133, 91))
    yield _recipe("webm-vp9-odd", "vp9", odd, "libvpx-vp9")
    alpha = video("libvpx-vp9", *VPX, "-auto-alt-ref", "0", pixels="yuva420p")
    yield _recipe("webm-vp9-alpha", "vp9", alpha, "libvpx-vp9")
    two = ("-lag-in-frames", "16", "-auto-alt-ref", "1", "-crf", "30", "-b:v", "0")
    hidden = video("libvpx-vp9", *two, "-cpu-used", "5")
    yield _recipe("webm-vp9-altref", "vp9", hidden, "libvpx-vp9")
    yield _recipe("webm-vp9-comfyui", "vp9", tagged(vp9, 20_000), "libvpx-vp9")
    yield _recipe("webm-av1", "av1", video("libsvtav1", *SVT, "-crf", "35"), "libsvtav1")
    ten = video("libsvtav1", *SVT, "-crf", "30", pixels="yuv420p10le", audio=OPUS)
    yield _recipe("mkv-av1-10bit", "av1", ten, "libsvtav1")


def _others() -> Iterator[Recipe]:
    yield _h264("avi-h264", video("libx264", "-bf", "0", quality=True))
    mp3 = ("-c:a", "libmp3lame")
    yield _recipe("avi-mpeg4-mp3", "mpeg4", video("mpeg4", "-q:v", "4", audio=mp3), "mpeg4")
    mjpeg = video("mjpeg", "-q:v", "4", audio=("-c:a", "pcm_s16le"), pixels="yuvj420p")
    yield _recipe("avi-mjpeg-pcm", "mjpeg", mjpeg, "mjpeg")
    yield _recipe("avi-ffv1", "ffv1", video("ffv1", "-level", "3"), "ffv1")
    yield _h264("ts-h264-aac", X264_AAC)
    yield _h264("ts-h264", X264)
    yield _recipe("ts-hevc", "hevc", video("libx265", *X265, quality=True), "libx265")
