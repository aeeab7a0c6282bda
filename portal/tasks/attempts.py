"""How often a task may begin when the workers that began it died: said beside each, asked by `taking_up`.

    @at_most(1)         may not run twice: what it does cannot be told from what it has done already
    @at_most(2, given_up=tell)
    @task()
    def work(…)

    @whole
    @task()
    def tell(…)             what it writes and its end are one transaction: done once, or not at all

A task of which nothing is said goes on where it was, or does nothing again what it did. Any may begin USUAL
times, so that one that kills its worker each time ends.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

from django_tasks.base import Task

USUAL = 5

# Told of a task (its positional and its named arguments) that no worker will begin any more.
GivenUp = Callable[[Sequence[Any], Mapping[str, Any]], None]
T = TypeVar("T", bound=Task[Any, Any])


class Rule(NamedTuple):
    times: int = USUAL
    given_up: GivenUp | None = None
    whole: bool = False


_rules: dict[str, Rule] = {}


def at_most(times: int, *, given_up: GivenUp | None = None) -> Callable[[T], T]:
    """Above `@task`: how many workers may begin it, and who is told when the last of them died."""

    def said(task: T) -> T:
        _rules[task.module_path] = rule(task.module_path)._replace(times=times, given_up=given_up)
        return task

    return said


def whole(task: T) -> T:
    """Above `@task`, for work that is short and writes to the database only, letters among it."""
    _rules[task.module_path] = rule(task.module_path)._replace(whole=True)
    return task


def rule(path: str) -> Rule:
    """Of the task whose module has been imported, by its path: « billing.tasks.issue_month »."""
    return _rules.get(path, Rule())
