"""Recipes of stills and of the animated formats beside them."""

from __future__ import annotations

import io
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw, PngImagePlugin

from tests.corpus.cases import Draw, Recipe
from tests.corpus.videos import Writer, graph, video


def picture(draw: Draw, mode: str = "RGB") -> Image.Image:
    """A picture with smooth parts, edges and noise."""
    size, rng = (draw.width, draw.height), draw.rng
    noise = Image.frombytes(
        "RGB", size, random.Random(rng.random()).randbytes(3 * size[0] * size[1])
    )
    angle = rng.uniform(0, 360)
    smooth = Image.merge(
        "RGB",
        [Image.linear_gradient("L").rotate(angle + 70 * part).resize(size) for part in range(3)],
    )
    image = Image.blend(smooth, noise, rng.uniform(0.02, 0.3))
    pen = ImageDraw.Draw(image)
    for _ in range(6):
        x, y = rng.randrange(size[0]), rng.randrange(size[1])
        pen.ellipse((x, y, x + 40, y + 30), fill=tuple(rng.randbytes(3)))
    return image.convert(mode)


def moving(draw: Draw, mode: str = "RGB") -> list[Image.Image]:
    """Pictures in which something moves, no two the same."""
    first, frames = picture(draw, mode), []
    for number in range(min(draw.frames, 16)):
        frame = first.copy()
        block = picture(Draw(draw.rng, 40, 32, 1, 1), mode)
        frame.paste(block, (number * 4 % (draw.width - 40), number * 3 % (draw.height - 32)))
        frames.append(frame)
    return frames


def still(mode: str = "RGB", **options: Any) -> Writer:
    """A writer of one picture by Pillow, in the format of the file's ending."""

    def write(path: Path, draw: Draw) -> int:
        picture(draw, mode).save(path, **options)
        return 1

    return write


def animation(mode: str = "RGB", **options: Any) -> Writer:
    """A writer of an animation by Pillow."""

    def write(path: Path, draw: Draw) -> int:
        first, *rest = moving(draw, mode)
        pause_ms = draw.rng.choice((40, 60, 80, 100))
        kept = {"save_all": True, "append_images": rest, "duration": pause_ms, "loop": 0}
        first.save(path, **kept, **options)
        return 1 + len(rest)

    return write


def _texts(draw: Draw, size_bytes: int) -> PngImagePlugin.PngInfo:
    texts = PngImagePlugin.PngInfo()
    texts.add_text("job_id", f"job {draw.frames}")
    texts.add_text("prompt", graph(size_bytes))
    return texts


def comfyui_png(size_bytes: int) -> Writer:
    """A writer as ComfyUI's SaveImage: the graph as text, compression level 4."""

    def write(path: Path, draw: Draw) -> int:
        picture(draw).save(path, pnginfo=_texts(draw, size_bytes), compress_level=4)
        return 1

    return write


def comfyui_webp(path: Path, draw: Draw) -> int:
    """As ComfyUI's SaveAnimatedWEBP: the graph in EXIF, one entry `name:value` a tag."""
    first, *rest = moving(draw)
    exif = first.getexif()
    exif[0x0110] = "prompt:" + graph(4000)
    exif[0x010F] = f"job_id:job {draw.frames}"
    kept = {"save_all": True, "append_images": rest, "duration": 125, "lossless": False}
    first.save(path, exif=exif, quality=80, method=4, **kept)
    return 1 + len(rest)


def sixteen_bits(path: Path, draw: Draw) -> int:
    """A grey png of 16 bits."""
    size = (draw.width, draw.height)
    data = draw.rng.randbytes(2 * size[0] * size[1])
    Image.frombytes("I;16", size, data).save(path, format="PNG")
    return 1


def interlaced(path: Path, draw: Draw) -> int:
    """An Adam7 png, written here: Pillow writes none."""
    image = picture(draw)
    rows = bytearray()
    for x0, y0, dx, dy in ADAM7:
        part = image.crop((0, 0, *image.size))
        columns, lines = range(x0, draw.width, dx), range(y0, draw.height, dy)
        if not columns or not lines:
            continue
        pixels = part.load()
        for y in lines:
            rows += b"\0" + b"".join(bytes(pixels[x, y]) for x in columns)
    header = draw.width.to_bytes(4, "big") + draw.height.to_bytes(4, "big") + b"\x08\x02\0\0\x01"
    path.write_bytes(_png((b"IHDR", header), (b"IDAT", _deflated(rows)), (b"IEND", b"")))
    return 1


ADAM7 = (
    (0, 0, 8, 8),
    (4, 0, 8, 8),
    (0, 4, 4, 8),
    (2, 0, 4, 4),
    (0, 2, 2, 4),
    (1, 0, 2, 2),
    (0, 1, 1, 2),
)


def _deflated(data: bytes) -> bytes:
    import zlib

    return zlib.compress(bytes(data))


def _png(*chunks: tuple[bytes, bytes]) -> bytes:
    out = io.BytesIO(b"\x89PNG\r\n\x1a\n")
    out.seek(0, io.SEEK_END)
    for kind, data in chunks:
        PngImagePlugin.putchunk(out, kind, data)
    return out.getvalue()


def _recipe(name: str, write: Callable[[Path, Draw], int | None], media: str = "image") -> Recipe:
    extension = name.split("-", maxsplit=1)[0]
    needs = {"gif-ffmpeg": ("gif",), "webp-ffmpeg": ("libwebp_anim",), "png-apng-ffmpeg": ("apng",)}
    return Recipe(name, extension, extension, media, write, needs.get(name, ()))


def stills() -> Iterator[Recipe]:
    """Every recipe of stills."""
    yield _recipe("png", still())
    yield _recipe("png-rgba", still("RGBA"))
    yield _recipe("png-palette", still("P"))
    yield _recipe("png-16bit", sixteen_bits)
    yield _recipe("png-interlaced", interlaced)
    yield _recipe("png-comfyui", comfyui_png(20_000))
    yield _recipe("png-graph-1mb", comfyui_png(1_000_000))
    yield _recipe("jpg", still(quality=88))
    yield _recipe("jpg-progressive", still(quality=92, progressive=True))
    yield _recipe("jpg-444", still(quality=95, subsampling=0, optimize=True))
    yield _recipe("jpg-restart", still(quality=85, restart_marker_rows=1))
    yield _recipe("jpg-grey", still("L", quality=85))
    yield _recipe("webp", still(quality=80))
    yield _recipe("webp-lossless", still(lossless=True))
    yield _recipe("webp-alpha", still("RGBA", quality=80))


def animations() -> Iterator[Recipe]:
    """Every recipe of what can move, but is no video."""
    yield _recipe("gif", animation("P"), "video")
    yield _recipe("gif-ffmpeg", video("gif", pixels="rgb8", frames=20), "video")
    yield _recipe("gif-single", still("P"), "video")
    yield _recipe("webp-animated", animation(quality=75), "video")
    yield _recipe("webp-animated-lossless", animation("RGBA", lossless=True), "video")
    yield _recipe("webp-ffmpeg", video("libwebp_anim", "-loop", "0", frames=16), "video")
    yield _recipe("webp-comfyui", comfyui_webp, "video")
    yield _recipe("png-apng", animation(), "video")
    yield _recipe("png-apng-rgba", animation("RGBA", disposal=1), "video")
    apng = video("apng", "-plays", "0", "-f", "apng", pixels="rgb24", frames=16)
    yield _recipe("png-apng-ffmpeg", apng, "video")
