"""The server as README starts it, in production's settings, behind one proxy: gunicorn, on its database, with
Redis where it is asked for. Whatever is started ends with the block, and with this process."""

import ctypes
import http.client
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests import ROOT
from tests.bench.rush.visit import HOST

# What gunicorn and the portal say, in the server's PORTAL_VAR.
LOG = "gunicorn.log"
START_WITHIN_SECONDS, STOP_WITHIN_SECONDS = 90, 20
PR_SET_PDEATHSIG = 1  # see prctl(2)


def environment(address: str, folder: Path, its_keys: dict[str, str], cache: str = "") -> dict[str, str]:
    """Production's, for the database at `address` and files in `folder`; the demo's on SQLite, on which
    production does not start."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    redis = {"CACHE_URL": cache} if cache else {}
    demo = (
        {}
        if address.startswith("postgres")
        else {"PORTAL_DEMO": "1", "CSRF_TRUSTED_ORIGINS": f"https://{HOST}"}
    )
    return (
        kept
        | its_keys
        | redis
        | demo
        | {
            "DATABASE_URL": address,
            "PORTAL_VAR": str(folder),
            "DJANGO_SETTINGS_MODULE": "portal.settings",
            "ALLOWED_HOSTS": HOST,
            "PORTAL_URL": f"https://{HOST}",
            "DEFAULT_FROM_EMAIL": "portail@ville.test",  # an example's address would keep it from starting
            "EMAIL_URL": "smtp://localhost:25",
            "TRUSTED_PROXY_COUNT": "1",
            "PYTHONUNBUFFERED": "1",
        }
    )


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@contextmanager
def running(command: list[str], env: dict[str, str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("ab") as said:
        process = subprocess.Popen(
            command, cwd=ROOT, env=env, stdout=said, stderr=said, preexec_fn=_die_with_parent
        )
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.wait(STOP_WITHIN_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


@contextmanager
def gunicorn(env: dict[str, str], *, workers: int, threads: int) -> Iterator[tuple[int, int]]:
    """Its process id and port, once it answers."""
    port = free_port()
    options = ["--workers", str(workers), "--threads", str(threads), "--log-level", "warning"]
    command = [sys.executable, "-m", "gunicorn", "portal.wsgi", "--bind", f"127.0.0.1:{port}", *options]
    log = Path(env["PORTAL_VAR"]) / LOG
    with running([*command, "--no-control-socket"], env, log) as process:
        deadline = time.monotonic() + START_WITHIN_SECONDS
        while not _answers(port):
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"gunicorn does not answer:\n{log.read_text()[-3000:]}")
            time.sleep(0.1)
        yield process.pid, port


PROXY = """
{user}
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/nginx.log warn;
worker_processes 1;
worker_rlimit_nofile 8192;
events {{ worker_connections 4096; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    # The crowd stands where families' browsers do, and says whose address each request is from.
    set_real_ip_from 127.0.0.1;
    real_ip_header X-Forwarded-For;
    upstream portail {{ least_conn; {servers} }}
    server {{
        listen 127.0.0.1:{port};
        client_max_body_size 22m;
        location / {{
            proxy_pass http://portail;
            proxy_set_header Host $host;
            proxy_set_header X-Forwarded-For $remote_addr;
            proxy_set_header X-Forwarded-Proto https;
            proxy_read_timeout 120;
        }}
    }}
}}
"""


@contextmanager
def nginx(ports: list[int], folder: Path) -> Iterator[tuple[int, int]]:
    """A proxy of its own in front of several servers, in `folder`: its process id and its port."""
    program = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if program is None:
        raise RuntimeError("Several servers want nginx in front of them (apt install nginx-light).")
    port = free_port()
    said = PROXY.format(
        user="user root;" if os.geteuid() == 0 else "",
        folder=folder,
        port=port,
        servers=" ".join(f"server 127.0.0.1:{one};" for one in ports),
    )
    (folder / "nginx.conf").write_text(said)
    command = [program, "-p", str(folder), "-c", str(folder / "nginx.conf"), "-e", str(folder / "nginx.log")]
    with running(command, dict(os.environ), folder / "nginx.out") as process:
        _wait_for(port, process)
        yield process.pid, port


def _wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    """Until somebody listens there."""
    deadline = time.monotonic() + START_WITHIN_SECONDS
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=5).close()
            return
        except OSError:
            if process.poll() is not None or time.monotonic() > deadline:
                raise
            time.sleep(0.05)


def _answers(port: int) -> bool:
    """Whether the login page comes; not yet while nobody listens. Raises RuntimeError for an error of it."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    proxy = {"Host": HOST, "X-Forwarded-Proto": "https", "X-Forwarded-For": "192.0.2.1"}
    try:
        connection.request("GET", "/connexion/", headers=proxy)
        status = connection.getresponse().status
    except OSError:
        return False
    finally:
        connection.close()
    if status != 200:
        raise RuntimeError(f"The login page answers {status}.")
    return True


@contextmanager
def redis(wanted: str, folder: Path) -> Iterator[tuple[str, int]]:
    """The address for CACHE_URL: none, that which is `wanted`, or for « 1 » a server of its own, whose
    process id comes with it (else 0)."""
    if wanted in ("", "0"):
        yield "", 0
        return
    if wanted != "1":
        yield wanted, 0
        return
    program = shutil.which("redis-server")
    if program is None:
        raise RuntimeError(
            "REDIS=1 wants redis-server (apt install redis-server), or an address: REDIS=rediscache://…"
        )
    port = free_port()
    options = ["--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", str(folder)]
    with running([program, "--port", str(port), *options], dict(os.environ), folder / "redis.log") as process:
        _wait_for(port, process)
        yield f"rediscache://127.0.0.1:{port}/0", process.pid


def _die_with_parent() -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
