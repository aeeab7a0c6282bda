from typing import Any

from django.core.files.storage import Storage

class S3Storage(Storage):
    bucket_name: str
    location: str
    @property
    def connection(self) -> Any: ...
