"""gunicorn's own lines in the form of the portal's: `--logger-class portal.web.server_logs.ServerLog`."""

import os

from gunicorn.config import Config
from gunicorn.glogging import Logger

from portal.web import logs


class ServerLog(Logger):  # type: ignore[misc]  # gunicorn has no types
    def setup(self, cfg: Config) -> None:
        super().setup(cfg)
        formatter = logs.formatter(os.environ.get("LOG_FORMAT", ""))
        for handler in (*self.error_log.handlers, *self.access_log.handlers):
            handler.setFormatter(formatter)
