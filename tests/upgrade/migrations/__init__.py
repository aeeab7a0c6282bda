"""billing's migrations and one more, as a version to come may bring it."""

from pkgutil import iter_modules

from billing import migrations

LAST = max(module.name for module in iter_modules(migrations.__path__))
NAME = "9001_later"

__path__ = [*__path__, *migrations.__path__]
