"""A small S3: puts, gets, lists, heads and deletes objects of its buckets, for who signs rightly."""

import hashlib
from email.utils import formatdate
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

from tests.fakes.server import Fake, Handler

MISSING = '<?xml version="1.0"?><Error><Code>NoSuchKey</Code><Message>None</Message></Error>'
NO_BUCKET = '<?xml version="1.0"?><Error><Code>NoSuchBucket</Code><Message>None</Message></Error>'
LIST = '<?xml version="1.0"?><ListBucketResult><IsTruncated>false</IsTruncated>{}</ListBucketResult>'
DENIED = '<?xml version="1.0"?><Error><Code>AccessDenied</Code><Message>No</Message></Error>'


class S3Handler(Handler):
    fake: "FakeS3"

    def do_PUT(self) -> None:  # noqa: N802
        content = self.body()
        if self._refused():
            return
        self.fake.sent_headers.append({name.lower(): value for name, value in self.headers.items()})
        self.fake.objects[self._key()] = content
        self.say("", ETag=f'"{hashlib.md5(content).hexdigest()}"')  # noqa: S324 (what S3 answers)

    def do_GET(self) -> None:  # noqa: N802
        if self._refused():
            return
        bucket, _, name = self._key().partition("/")
        if not name and self.command == "GET":
            there = bucket in self.fake.buckets or any(
                key.startswith(f"{bucket}/") for key in self.fake.objects
            )
            listed = self._listed(bucket) if there else NO_BUCKET
            self.say(listed, status=200 if there else 404, kind="application/xml")
            return
        content = self.fake.objects.get(self._key())
        if content is None:
            self.say("" if self.command == "HEAD" else MISSING, status=404, kind="application/xml")
            return
        self.send_response(200)
        self.send_header("Content-Type", "application/octet-stream")
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Last-Modified", formatdate(usegmt=True))
        self.send_header("ETag", f'"{hashlib.md5(content).hexdigest()}"')  # noqa: S324
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(content)

    do_HEAD = do_GET  # noqa: N815

    def do_DELETE(self) -> None:  # noqa: N802
        if self._refused():
            return
        self.fake.objects.pop(self._key(), None)
        self.say("", status=204)

    def _listed(self, bucket: str) -> str:
        """All at once, however many: what lies at a prefix, and the folders one step below it."""
        asked = parse_qs(urlsplit(self.path).query)
        prefix, parted = asked.get("prefix", [""])[0], "delimiter" in asked
        below = sorted(
            key.removeprefix(f"{bucket}/")
            for key in self.fake.objects
            if key.startswith(f"{bucket}/{prefix}")
        )
        files, folders = [], set()
        for key in below:
            step, sign, _ = key.removeprefix(prefix).partition("/")
            if parted and sign:
                folders.add(f"{prefix}{step}/")
            else:
                files.append(key)
        return LIST.format(
            "".join(f"<Contents><Key>{escape(key)}</Key><Size>1</Size></Contents>" for key in files)
            + "".join(
                f"<CommonPrefixes><Prefix>{escape(one)}</Prefix></CommonPrefixes>" for one in sorted(folders)
            )
        )

    def _key(self) -> str:
        """« bucket/folder/name », as the path says it."""
        return unquote(urlsplit(self.path).path).lstrip("/")

    def _refused(self) -> bool:
        self.fake.asked.append(f"{self.command} {self._key()}")
        if self.misbehaves():
            return True
        signed = self.headers.get("Authorization", "")
        if not signed.startswith(f"AWS4-HMAC-SHA256 Credential={self.fake.key}/"):
            self.say("" if self.command == "HEAD" else DENIED, status=403, kind="application/xml")
            return True
        return False


class FakeS3(Fake):
    """`objects` by « bucket/key »; `buckets` that may be listed; `sent_headers` of every put, in order."""

    handler = S3Handler

    def __init__(self, key: str) -> None:
        super().__init__()
        self.key = key
        self.buckets: set[str] = set()
        self.objects: dict[str, bytes] = {}
        self.sent_headers: list[dict[str, str]] = []
