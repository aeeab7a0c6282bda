"""`make release-data`: writes tests/data/releases/VERSION.* of this version, from today's code.

To be run once, when a version is released. Needs a PostgreSQL server: CI_DATABASE_URL, or
postgres://postgres@localhost/postgres.
"""

import os
import sys
import tempfile
from pathlib import Path

import django


def main() -> int:
    server = os.environ.get("CI_DATABASE_URL", "postgres://postgres@localhost/postgres")
    with tempfile.TemporaryDirectory() as scratch:
        os.environ |= {"PORTAL_DEMO": "1", "PORTAL_VAR": scratch, "DJANGO_SETTINGS_MODULE": "portal.settings"}
        os.environ |= {"DATABASE_URL": "", "CACHE_URL": "locmemcache://"}
        django.setup()

        from tests.upgrade import making

        return making.make(Path(scratch), server)


if __name__ == "__main__":
    sys.exit(main())
