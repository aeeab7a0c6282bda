"""What the desk's templates ask of its menu, and what its own lists put in the place of Django's tags."""

from typing import Any

from django import template

from portal.desk import jobs, long_lists
from portal.desk.jobs import Job

register = template.Library()


@register.simple_tag
def job_of(opts: Any) -> str:
    """The part of the menu in which a model's list stands; "" where that is the first page itself."""
    job = jobs.place_of(f"{opts.app_label}.{opts.model_name}").job
    return "" if job is Job.HOME else job.label


@register.inclusion_tag("admin/date_hierarchy.html")
def date_menu(cl: Any) -> dict[str, Any]:
    """The dates of a list, without reading its rows."""
    return long_lists.date_menu(cl)
