"""Where families' files lie: a folder of this machine, or a bucket of an S3-compatible store.

    PRIVATE_STORAGE_URL=s3://KEY:SECRET@host/bucket?region=fr-par
    PRIVATE_STORAGE_URL=s3://KEY:SECRET@host/bucket/folder?region=fr-par     under a folder of the bucket

Key and secret are percent-encoded where they hold « / », « + » or « @ ». `s3+http://` speaks without
encryption, for a store on a demonstration machine only. Settings read this module: no Django here.
"""

from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit

from portal.files import modes

SCHEMES = {"s3": "https", "s3+http": "http"}


def storage(url: str, folder: Path) -> dict[str, Any]:
    """The « private » entry of STORAGES: the folder, or the bucket that `url` names (see `troubles`)."""
    if not url:
        options = {
            "location": str(folder),
            "file_permissions_mode": modes.FILE,
            "directory_permissions_mode": modes.FOLDER,
        }
        return {"BACKEND": "portal.files.uploads.PrivateStorage", "OPTIONS": options}
    said = urlsplit(url)
    bucket, _, location = said.path.strip("/").partition("/")
    # Named by its path: boto3 is imported by those who chose it only.
    return {
        "BACKEND": "portal.files.private_s3.PrivateS3Storage",
        "OPTIONS": {
            "access_key": unquote(said.username or ""),
            "secret_key": unquote(said.password or ""),
            "endpoint_url": f"{SCHEMES.get(said.scheme, 'https')}://{_host(said)}",
            "bucket_name": unquote(bucket),
            "location": unquote(location),
            "region_name": _region(said),
        },
    }


def _host(said: SplitResult) -> str:
    return said.netloc.rpartition("@")[2]


def _region(said: SplitResult) -> str:
    return parse_qs(said.query).get("region", [""])[0]


def troubles(url: str, *, demo: bool) -> list[str]:
    """What is wrong with the address, in French and without its secret; nothing for an empty one."""
    if not url:
        return []
    said = urlsplit(url)
    if said.scheme not in SCHEMES:
        return ["PRIVATE_STORAGE_URL doit commencer par s3://."]
    needed = {
        "la clé": said.username,
        "le secret": said.password,
        "l'hôte": said.hostname,
        "le nom du compartiment (bucket)": said.path.strip("/"),
        "la région (?region=…)": _region(said),
    }
    found = [f"PRIVATE_STORAGE_URL : il manque {what}." for what, value in needed.items() if not value]
    unknown = sorted(set(parse_qs(said.query, keep_blank_values=True)) - {"region"})
    if unknown:
        found.append(f"PRIVATE_STORAGE_URL : paramètre inconnu « {', '.join(unknown)} ».")
    try:
        _ = said.port
    except ValueError:
        found.append("PRIVATE_STORAGE_URL : le port n'est pas un nombre.")
    if said.scheme == "s3+http" and not demo:
        found.append("PRIVATE_STORAGE_URL : s3+http:// enverrait les fichiers des familles sans chiffrement.")
    return found
