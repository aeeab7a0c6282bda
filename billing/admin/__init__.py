"""The town hall's desk for money."""

from billing.admin import documents, money, online, tariffs

__all__ = ["documents", "money", "online", "tariffs"]
