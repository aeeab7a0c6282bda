"""« Tâches », for superusers: what the worker was asked to do, and what failed."""

from datetime import datetime
from typing import Any

from django.contrib import admin
from django_tasks_db.admin import DBTaskResultAdmin
from django_tasks_db.models import DBTaskResult


class TaskAdmin(DBTaskResultAdmin):
    """The package's own, whose titles are in French where its catalogue cannot say them."""

    # The package's tuples have a length, and are typed with it.
    list_display = ("name", "status", "enqueued_at", "started_at", "finished_at", "queue_name")  # type: ignore[assignment]  # shorter
    list_filter = ("status", "queue_name")  # type: ignore[assignment]  # shorter

    @admin.display(description="travail", ordering="task_path")
    def name(self, obj: DBTaskResult[Any, Any]) -> str:
        return obj.task_name

    @admin.display(description="trace de l'erreur")
    def formatted_traceback(self, obj: DBTaskResult[Any, Any]) -> str:
        return super().formatted_traceback(obj)

    @admin.display(description="pas avant")
    def display_run_after(self, obj: DBTaskResult[Any, Any]) -> datetime | str:
        return super().display_run_after(obj)
