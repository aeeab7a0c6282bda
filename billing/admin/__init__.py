"""The town hall's desk for money."""

from billing.admin import tariffs

__all__ = ["tariffs"]
