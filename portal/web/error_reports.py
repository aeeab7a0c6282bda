"""Failures told to a Sentry that the town names by SENTRY_DSN, and nothing about anybody.

Told: the kind of the failure, its message as the logs mask it, where in the code, the method and the path of
the request, its number, the version. Not told: bodies, query strings, headers, cookies, addresses, accounts,
values of variables, queries, what happened before. Read by the settings, where a DSN is set only.
"""

from typing import Any

import sentry_sdk
from sentry_sdk.integrations.dedupe import DedupeIntegration
from sentry_sdk.integrations.django import DjangoIntegration
from sentry_sdk.integrations.logging import LoggingIntegration, ignore_logger

from portal.web import logs

KEPT = {
    "event_id", "timestamp", "level", "platform", "logger", "logentry", "exception", "transaction", "release",
    "environment", "request", "tags", "sdk",
}  # fmt: skip


def start(dsn: str, **more: Any) -> None:
    """`more` is handed to sentry_sdk.init, for tests. Raises sentry_sdk.utils.BadDsn."""
    # Strangers' forged requests are no failures of ours.
    ignore_logger("django.security.DisallowedHost")
    sentry_sdk.init(
        dsn=dsn,
        default_integrations=False,
        auto_enabling_integrations=False,
        integrations=[
            DjangoIntegration(middleware_spans=False, signals_spans=False),
            LoggingIntegration(level=None),
            DedupeIntegration(),
        ],
        send_default_pii=False,
        max_request_body_size="never",
        include_local_variables=False,
        include_source_context=False,
        max_breadcrumbs=0,
        traces_sample_rate=0,
        send_client_reports=False,
        auto_session_tracking=False,
        server_name="",
        before_send=without_people,
        **more,
    )


def without_people(event: Any, hint: dict[str, Any]) -> Any:
    """What leaves of an event: named one by one, so that whatever a later version adds stays here."""
    told = {name: value for name, value in event.items() if name in KEPT}
    request = event.get("request", {})
    path = str(request.get("url", "")).partition("?")[0]
    told["request"] = {"method": request.get("method", ""), "url": logs.masked(path)}
    told["tags"] = {"request": logs.request_number.get()}
    if "transaction" in told:
        told["transaction"] = logs.masked(str(told["transaction"]))
    if "logentry" in told:
        entry = told["logentry"]
        said = entry.get("formatted") or entry.get("message") or ""
        told["logentry"] = {"message": logs.masked(str(said))}
    for one in told.get("exception", {}).get("values", []):
        one["value"] = logs.masked(str(one.get("value") or ""))
        for frame in one.get("stacktrace", {}).get("frames", []):
            frame.pop("vars", None)
    return told
