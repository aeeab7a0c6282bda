"""What migrations say beside Django's own operations. Written migrations import it: it stays where it is."""

from collections.abc import Sequence
from typing import Any

from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.operations import SeparateDatabaseAndState
from django.db.migrations.operations.base import Operation

from portal.database import schema


class Lifted(SeparateDatabaseAndState):
    """Operations done without the triggers of a part of the schema, which stand in their way.

    Lifted("billing.final", [migrations.RunPython(correct, migrations.RunPython.noop)])
    """

    def __init__(self, part: str, operations: Sequence[Operation]) -> None:
        self.part, self.operations = part, operations
        super().__init__(operations, operations)

    def deconstruct(self) -> tuple[str, list[Any], dict[str, Any]]:
        return self.__class__.__name__, [self.part, self.operations], {}

    def database_forwards(
        self, app_label: str, schema_editor: BaseDatabaseSchemaEditor, from_state: Any, to_state: Any
    ) -> None:
        with schema.lifted(self.part, schema_editor.connection):
            super().database_forwards(app_label, schema_editor, from_state, to_state)

    def database_backwards(
        self, app_label: str, schema_editor: BaseDatabaseSchemaEditor, from_state: Any, to_state: Any
    ) -> None:
        with schema.lifted(self.part, schema_editor.connection):
            super().database_backwards(app_label, schema_editor, from_state, to_state)

    def describe(self) -> str:
        described = "; ".join(each.describe() for each in self.operations)
        return f"Without the triggers of {self.part}: {described}"
