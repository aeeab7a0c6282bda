"""Decodes a picture to its end, with little memory and little time (see `judging`).

python -I picture_judge.py PIXELS_OF_HEIC PIXELS < picture
"""

import io
import resource
import sys
from enum import IntEnum

from PIL import Image, UnidentifiedImageError
from pillow_heif import options, register_heif_opener

FORMATS = ("JPEG", "PNG", "HEIF")
MOST_MEMORY = 320 * 1024 * 1024
MOST_SECONDS = 10


class Verdict(IntEnum):
    """What a picture is found to be; the process ends with it."""

    JPEG = 101
    PNG = 102
    HEIF = 103
    WRONG_KIND = 111
    TOO_MANY_PIXELS = 112
    DAMAGED = 113


def judge(content: bytes, most_of_heic: int, most: int) -> Verdict:
    """What it is, decoded no further than is needed to know it whole."""
    try:
        with Image.open(io.BytesIO(content), formats=FORMATS) as image:
            if image.width * image.height > (most_of_heic if image.format == "HEIF" else most):
                return Verdict.TOO_MANY_PIXELS
            if image.format == "PNG":
                image.verify()  # each piece bears its checksum: nothing has to be unfolded into memory
            else:
                image.draft("RGB", (256, 256))  # a JPEG then decodes at an eighth of the work
                image.load()
            return Verdict[str(image.format)]
    except UnidentifiedImageError:
        return Verdict.WRONG_KIND
    except Exception:  # noqa: BLE001 (decoders raise whatever a broken file makes them raise)
        return Verdict.DAMAGED


def main() -> Verdict:
    resource.setrlimit(resource.RLIMIT_DATA, (MOST_MEMORY, MOST_MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (MOST_SECONDS, MOST_SECONDS))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    register_heif_opener()
    options.DECODE_THREADS = 1
    Image.MAX_IMAGE_PIXELS = None  # they are counted here, before anything is unfolded
    return judge(sys.stdin.buffer.read(), int(sys.argv[1]), int(sys.argv[2]))


if __name__ == "__main__":
    sys.exit(main())
