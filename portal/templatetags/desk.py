"""What the desk's templates ask of its menu."""

from typing import Any

from django import template

from portal.desk import jobs
from portal.desk.jobs import Job

register = template.Library()


@register.simple_tag
def job_of(opts: Any) -> str:
    """The part of the menu in which a model's list stands; "" where that is the first page itself."""
    job = jobs.place_of(f"{opts.app_label}.{opts.model_name}").job
    return "" if job is Job.HOME else job.label
