"""The town hall's desk for money."""

from billing.admin import documents, money, tariffs

__all__ = ["documents", "money", "tariffs"]
