"""The town hall's desk for money, and for who came: which absences are billed is read beside them."""

from billing.admin import (
    absences,
    answers,
    attendance,
    certificates,
    deposits,
    documents,
    finding,
    first_page,
    means,
    money,
    online,
    recalculations,
    regies,
    screen,
    tariffs,
    transfers,
)

__all__ = [
    "absences",
    "answers",
    "attendance",
    "certificates",
    "deposits",
    "documents",
    "finding",
    "first_page",
    "means",
    "money",
    "online",
    "recalculations",
    "regies",
    "screen",
    "tariffs",
    "transfers",
]
