"""Files that families send: what may come in, judged by content and never by name."""

import io
import re
from typing import IO, Any, BinaryIO

import puremagic
from django.core.exceptions import ValidationError
from django.core.files.storage import FileSystemStorage, Storage, storages
from django.http import FileResponse
from PIL import Image, ImageFile, UnidentifiedImageError
from pillow_heif import register_heif_opener

from portal.files.handing_over import hand_over

LARGEST_BYTES = 10 * 1024 * 1024
MOST_PIXELS = 50_000_000  # the largest photos of phones; more is a bomb

IMAGE_FORMATS = {"JPEG": "image/jpeg", "PNG": "image/png", "HEIF": "image/heic"}
SUFFIXES = {"application/pdf": ".pdf", "image/jpeg": ".jpg", "image/png": ".png", "image/heic": ".heic"}

WRONG_KIND = "Ce fichier n'est pas un PDF, une image JPEG, PNG ou HEIC. Envoyez-le dans l'un de ces formats."
TOO_LARGE = "Ce fichier dépasse 10 Mo. Envoyez une version plus légère, par exemple une photo réduite."
DAMAGED = "Ce fichier est abîmé ou incomplet. Vérifiez qu'il s'ouvre sur votre appareil, puis renvoyez-le."

register_heif_opener()


class PrivateStorage(FileSystemStorage):
    """Files without any address: only a view that checks who asks gives them out."""

    def url(self, name: str | None) -> str:
        raise ValueError("This file is not accessible via a URL.")


def check(file: Any) -> str:
    """The content type of an uploaded file (PDF, JPEG, PNG or HEIC), read from its content.

    Raises ValidationError, in French, for anything else, for a file over LARGEST_BYTES, and for an image
    that cannot be decoded. Leaves the file at its beginning.
    """
    if file.size > LARGEST_BYTES:
        raise ValidationError(TOO_LARGE, code="too_large")
    head = file.read(64)
    file.seek(0)
    if _is_pdf(head):
        _check_pdf(file)
        return "application/pdf"
    try:
        return _check_image(file)
    finally:
        file.seek(0)


def _is_pdf(head: bytes) -> bool:
    if not head.startswith(b"%PDF-"):
        return False
    return any(match.mime_type == "application/pdf" for match in puremagic.magic_string(head))


def _check_pdf(file: BinaryIO) -> None:
    """A PDF ends with its marker; without it the sending was cut off."""
    file.seek(0, io.SEEK_END)
    file.seek(max(0, file.tell() - 2048))
    tail = file.read()
    file.seek(0)
    if b"%%EOF" not in tail:
        raise ValidationError(DAMAGED, code="damaged")


def _check_image(file: BinaryIO) -> str:
    # Printing libraries ask Pillow to forgive cut-off images, for the whole process; a proof must be whole.
    forgiving, ImageFile.LOAD_TRUNCATED_IMAGES = ImageFile.LOAD_TRUNCATED_IMAGES, False
    try:
        with Image.open(file, formats=list(IMAGE_FORMATS)) as image:
            if image.width * image.height > MOST_PIXELS:
                raise ValidationError(TOO_LARGE, code="too_large")
            content_type = IMAGE_FORMATS[str(image.format)]
            if image.format == "PNG":
                image.verify()  # each piece bears its checksum: nothing has to be unfolded into memory
            else:
                image.draft("RGB", (256, 256))  # a JPEG then decodes at an eighth of the work
                image.load()
    except ValidationError:
        raise
    except Image.DecompressionBombError:
        raise ValidationError(TOO_LARGE, code="too_large") from None
    except UnidentifiedImageError:
        raise ValidationError(WRONG_KIND, code="wrong_kind") from None
    except Exception:  # noqa: BLE001 (decoders raise whatever a broken file makes them raise)
        raise ValidationError(DAMAGED, code="damaged") from None
    finally:
        ImageFile.LOAD_TRUNCATED_IMAGES = forgiving
    return content_type


def safe_name(name: str, content_type: str) -> str:
    """A file name to show and to offer: no path, no control character, the suffix of its real type."""
    stem = re.sub(r"[^\w .()'’-]", "", name.replace("\\", "/").rsplit("/", 1)[-1].rsplit(".", 1)[0]).strip(
        " ."
    )
    return f"{(stem or 'document')[:100]}{SUFFIXES[content_type]}"


def response(file: IO[bytes], *, name: str, content_type: str) -> FileResponse:
    """Serves a file that came from outside so that no browser runs anything in it."""
    answer = hand_over(file, name, content_type)
    answer["Content-Security-Policy"] = "default-src 'none'; sandbox"
    return answer


def private_storage() -> Storage:
    """Where files of families lie: never under a public path."""
    return storages["private"]
