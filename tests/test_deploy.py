"""What lies in deploy/ names what there is: commands, settings, sizes. `deploy/check` asks its linters."""

import re
import shlex
import subprocess
from configparser import ConfigParser
from pathlib import Path

import pytest
from django.core.management import get_commands
from ruamel.yaml import YAML

from portal.health import ALIVE
from portal.web import bodies
from tests import ROOT
from tests.portal.test_settings import TOWN

DEPLOY = ROOT / "deploy"
CONTAINER = DEPLOY / "container"
UNITS = {path.name: path for path in (DEPLOY / "systemd").glob("portail*.*") if path.is_file()}
SHARED = DEPLOY / "systemd" / "portail-.service.d" / "portail.conf"
# Read by others than the portal's settings.
OTHERS = {"TZ", "WEB_WORKERS"}
MEGABYTE = 1024 * 1024


def said(path: Path) -> dict[str, dict[str, str]]:
    """A unit's sections; of a line that is repeated, the last one."""
    unit = ConfigParser(interpolation=None, strict=False, delimiters="=", comment_prefixes="#")
    unit.optionxform = str  # type: ignore[assignment, method-assign]  # systemd's names have capitals
    unit.read_string(path.read_text(encoding="utf-8"))
    return {name: dict(unit[name]) for name in unit.sections()}


def command(line: str) -> list[str]:
    """Of a line of systemd's, without what the installation decides."""
    return shlex.split(line.replace("/opt/portail/.venv/bin/", ""))


def settings_read() -> set[str]:
    text = (ROOT / "portal" / "settings.py").read_text(encoding="utf-8")
    return set(re.findall(r"env[.\w]*\(\s*\"([A-Z_]+)\"", text))


def of_compose() -> dict:
    return YAML(typ="safe").load(CONTAINER / "compose.yaml")


def test_every_unit_is_read_by_systemd_as_it_is_meant():
    for name, path in UNITS.items():
        sections = {"service": "Service", "timer": "Timer"}
        kind = sections.get(name.rpartition(".")[2])
        assert set(said(path)) <= {"Unit", "Install", kind}, name
        assert said(path)["Unit"]["Description"]
    assert {name for name in UNITS if name.endswith(".timer")} == {
        *("portail-backup.timer", "portail-nightly.timer", "portail-reconcile.timer", "portail-remind.timer")
    }


@pytest.mark.parametrize("name", sorted(name for name in UNITS if name.endswith(".service")))
def test_a_service_starts_what_there_is(name):
    first, *rest = command(said(UNITS[name])["Service"]["ExecStart"])
    if first == "gunicorn":
        assert rest[0] == "portal.wsgi"
        return
    assert (first, rest[0]) == ("python", "manage.py")
    assert rest[1] in get_commands()


def test_each_timer_has_its_service_and_the_target_wants_all():
    wanted = re.findall(r"^Wants=(.*)$", UNITS["portail.target"].read_text(encoding="utf-8"), re.MULTILINE)
    names = {name.replace("@1.", "@.") for line in wanted for name in line.split()}
    services = {name for name in UNITS if name.endswith(".timer")}
    assert names == services | {"portail-web.service", "portail-worker@.service"}
    assert {name.replace(".timer", ".service") for name in services} <= set(UNITS)


def test_who_never_ends_is_started_again_but_not_with_wrong_settings():
    for name in ("portail-web.service", "portail-worker@.service"):
        service = said(UNITS[name])["Service"]
        assert (service["Restart"], service["RestartPreventExitStatus"]) == ("always", "4")
        assert said(UNITS[name])["Unit"]["StartLimitIntervalSec"] == "0"


def test_the_container_s_clock_runs_what_the_timers_run():
    timers = {
        command(said(UNITS[name.replace(".timer", ".service")])["Service"]["ExecStart"])[2]
        for name in UNITS
        if name.endswith(".timer")
    }
    clock = (CONTAINER / "clock").read_text(encoding="utf-8")
    assert set(re.findall(r"\brun (\w+)", clock)) == timers


def test_every_variable_that_is_written_is_read():
    environment = (DEPLOY / "portail.env").read_text(encoding="utf-8")
    written = set(re.findall(r"^#?([A-Z_]+)=", environment, re.MULTILINE))
    written |= set(of_compose()["x-portal"]["environment"])
    written |= set(re.findall(r"^Environment=(\w+)=", UNITS["portail-web.service"].read_text(), re.MULTILINE))
    assert written - OTHERS <= settings_read()
    assert set(TOWN) <= written, "What the portal does not start without is in the example."


def test_the_example_is_read_alike_by_sh_and_by_systemd():
    """Between apostrophes neither finds anything to replace."""
    lines = (DEPLOY / "portail.env").read_text(encoding="utf-8").splitlines()
    for line in lines:
        assert not line or line.startswith("#") or re.fullmatch(r"[A-Z_]+='[^'\\]*'", line), line
    names = [line.partition("=")[0] for line in lines if re.match(r"[A-Z]", line)]
    read = subprocess.run(
        [
            "/bin/sh",
            "-c",
            f'. "$0"; printf "%s\\n" {" ".join(f"${name}" for name in names)}',
            DEPLOY / "portail.env",
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "smtp+tls://UTILISATEUR:MOT_DE_PASSE@smtp.ville.example:587" in read.stdout


def test_proxies_lead_to_the_portal_and_let_through_what_its_pages_take():
    nginx = (DEPLOY / "nginx.conf").read_text(encoding="utf-8")
    (body,) = re.findall(r"client_max_body_size (\d+)m;", nginx)
    assert int(body) * MEGABYTE >= bodies.LARGEST_WITH_FILES
    assert "X-Forwarded-For $remote_addr" in nginx and "X-Forwarded-Proto $scheme" in nginx
    bound = re.search(r"--bind (\S+)", UNITS["portail-web.service"].read_text(encoding="utf-8"))
    assert bound and f"server {bound[1]};" in nginx
    for path, to in ((DEPLOY / "Caddyfile", bound[1]), (CONTAINER / "Caddyfile", "web:8000")):
        text = path.read_text(encoding="utf-8")
        assert f"reverse_proxy {to}" in text
        (body,) = re.findall(r"max_size (\d+)MiB", text)
        assert int(body) * MEGABYTE >= bodies.LARGEST_WITH_FILES


def test_the_image_holds_every_folder_that_the_portal_is_made_of():
    text = (CONTAINER / "Containerfile").read_text(encoding="utf-8")
    copied = {
        name for line in re.findall(r"^COPY (?!--)(.*)$", text, re.MULTILINE) for name in line.split()[:-1]
    }
    assert all((ROOT / name).exists() for name in copied)
    assert {"portal", "families", "catering", "leisure", "billing", "templates", "static"} <= copied
    kept = re.findall(r"^!(\S+)$", (CONTAINER / "Containerfile.dockerignore").read_text(), re.MULTILINE)
    assert set(kept) == copied, "What is copied is sent to the builder, and nothing else."


def test_each_service_of_the_compose_file_starts_what_there_is():
    services = of_compose()["services"]
    commands = [
        " ".join(one["command"]) for name, one in services.items() if "command" in one and name != "redis"
    ]
    named = {name for line in commands for name in re.findall(r"manage\.py (\w+)", line)}
    assert named == {"migrate", "createcachetable", "collectstatic", "db_worker"} <= set(get_commands())
    assert {"web", "worker", "clock", "postgres", "redis", "caddy"} <= set(services)
    for one in services.values():
        for name in one.get("depends_on", {}):
            assert name in services


def test_a_container_is_judged_by_whether_it_lives_not_by_what_is_around_it():
    """A sick worker must not have the pages taken away."""
    assert f'"{ALIVE}"' in (CONTAINER / "alive").read_text(encoding="utf-8")


@pytest.mark.parametrize("page", ["docs/deploy.md", "README.md"])
def test_pages_name_files_of_deploy_that_there_are(page):
    named = re.findall(r"\bdeploy/[\w./@-]+\w", (ROOT / page).read_text(encoding="utf-8"))
    assert named
    assert [name for name in named if not (ROOT / name).exists()] == []


def test_the_page_starts_every_unit_by_a_name_that_there_is():
    text = (ROOT / "docs" / "deploy.md").read_text(encoding="utf-8")
    named = set(re.findall(r"\bportail[\w-]*(?:@\w+)?\.(?:service|timer|target)\b", text))
    assert named and {re.sub(r"@\w+\.", "@.", name) for name in named} <= set(UNITS)
