from typing import Any

from django.db.models import Model

class HistoricalRecordContextHelper:
    model: type[Model]
    def __init__(
        self,
        model: type[Model],
        historical_record: Any,
        *,
        max_displayed_delta_change_chars: int = 100,
    ) -> None: ...
    def prepare_delta_change_value(self, change: Any, value: Any) -> Any: ...
    def context_for_delta_changes(self, delta: Any) -> list[dict[str, Any]]: ...
