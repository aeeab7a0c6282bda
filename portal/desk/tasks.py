"""« Tâches », for superusers: what the worker was asked to do, and what failed; never what a letter says."""

import json
from datetime import datetime
from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django_tasks_db.admin import DBTaskResultAdmin
from django_tasks_db.models import DBTaskResult

LETTERS = "portal.letters."
NOT_SHOWN = "Le contenu des messages n'est pas affiché."


class TaskAdmin(DBTaskResultAdmin):
    """The package's own, whose titles are in French where its catalogue cannot say them."""

    # The package's tuples have a length, and are typed with it.
    list_display = ("name", "status", "enqueued_at", "started_at", "finished_at", "queue_name")  # type: ignore[assignment]  # shorter
    list_filter = ("status", "queue_name")  # type: ignore[assignment]  # shorter

    def get_readonly_fields(
        self, request: HttpRequest, obj: DBTaskResult[Any, Any] | None = None
    ) -> list[str]:
        found = super().get_readonly_fields(request, obj)
        return ["given" if name == "args_kwargs" else name for name in found]

    @admin.display(description="demandé avec")
    def given(self, obj: DBTaskResult[Any, Any]) -> str:
        if obj.task_path.startswith(LETTERS):
            return NOT_SHOWN
        return json.dumps(obj.args_kwargs, ensure_ascii=False)

    @admin.display(description="travail", ordering="task_path")
    def name(self, obj: DBTaskResult[Any, Any]) -> str:
        return obj.task_name

    @admin.display(description="trace de l'erreur")
    def formatted_traceback(self, obj: DBTaskResult[Any, Any]) -> str:
        return super().formatted_traceback(obj)

    @admin.display(description="pas avant")
    def display_run_after(self, obj: DBTaskResult[Any, Any]) -> datetime | str:
        return super().display_run_after(obj)
