from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

from django.db.models import Model

M = TypeVar("M", bound=Model)

def bulk_create_with_history(objs: Iterable[M], model: type[M], **options: Any) -> list[M]: ...
def bulk_update_with_history(
    objs: Iterable[M], model: type[M], fields: Sequence[str], **options: Any
) -> int: ...
