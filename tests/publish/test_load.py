"""Readers while releases change: no missing page, no torn page."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.needs import needs
from tests.publish import rig
from tests.publish.conftest import Site

MODES = ["release", "in-place"]


@contextmanager
def reader(root: Path) -> Iterator[Callable[[], dict[str, int]]]:
    """A process that reads the home page without pause; calling the result ends it and gives its counts."""
    command = [sys.executable, rig.__file__, "read", str(root)]
    started = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert started.stdout is not None

    def counts() -> dict[str, int]:
        found: dict[str, int] = json.loads(started.communicate(timeout=60)[0])
        return found

    try:
        assert started.stdout.readline() == "reading\n"
        yield counts
    finally:
        if started.poll() is None:
            started.kill()
            started.communicate()


@pytest.mark.parametrize("mode", MODES)
def test_a_reader_never_finds_a_page_missing_or_torn(memory_folder: Path, mode: str) -> None:
    rig.build(memory_folder, mode)
    with reader(memory_folder) as counts:
        for _ in range(150):
            rig.build(memory_folder, mode)
        found = counts()
    assert (found["missing"], found["torn"]) == (0, 0)
    assert found["versions"] >= 20
    assert found["reads"] >= 1_000


def test_control_removing_the_link_before_making_it_anew_loses_pages(memory_folder: Path) -> None:
    rig.build(memory_folder, "release")
    link = memory_folder / "public"
    target = os.readlink(link)
    deadline = time.monotonic() + 60
    lost = 0
    while not lost and time.monotonic() < deadline:
        with reader(memory_folder) as counts:
            for _ in range(20_000):
                link.unlink()
                link.symlink_to(target)
            lost = counts()["missing"]
    assert lost > 0


def test_control_writing_a_page_where_it_lies_tears_it(memory_folder: Path) -> None:
    page = memory_folder / "public" / "index.html"
    page.parent.mkdir()
    text = rig.contents(1)["index.html"]
    page.write_text(text)
    deadline = time.monotonic() + 60
    torn = 0
    while not torn and time.monotonic() < deadline:
        with reader(memory_folder) as counts:
            for _ in range(20_000):
                page.write_text(text)
            torn = counts()["torn"]
    assert torn > 0


# nginx

CONFIGURATION = """
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
worker_processes 1;
{user}
events {{ worker_connections 64; }}
http {{
  access_log off;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  keepalive_requests 1000000;
  server {{ listen 127.0.0.1:{port}; root {root}/public; }}
}}
"""


@contextmanager
def nginx(folder: Path, root: Path) -> Iterator[int]:
    """A real web server on the site; gives its port."""
    needs(shutil.which("nginx") is not None, "nginx")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    user = "user root;" if os.geteuid() == 0 else ""
    configuration = folder / "nginx.conf"
    configuration.write_text(CONFIGURATION.format(folder=folder, root=root, port=port, user=user))
    server = subprocess.Popen(["nginx", "-c", str(configuration)], stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 20
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            except OSError:
                if server.poll() is not None or time.monotonic() > deadline:
                    raise
        yield port
    finally:
        server.terminate()
        server.wait(20)


class Client(threading.Thread):
    """Asks for the home page over one connection that stays open, until told to end."""

    def __init__(self, port: int) -> None:
        super().__init__()
        self._port = port
        self.ended = threading.Event()
        self.statuses: dict[int, int] = {}
        self.torn = 0
        self.versions: set[str] = set()

    def run(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=20)
        while not self.ended.is_set():
            connection.request("GET", "/index.html")
            answer = connection.getresponse()
            text = answer.read().decode()
            self.statuses[answer.status] = self.statuses.get(answer.status, 0) + 1
            if answer.status == 200:
                self.torn += not (text.startswith("version ") and text.endswith("\nend"))
                self.versions.add(text[:20])
        connection.close()


def statuses_during(port: int, work: Callable[[], None]) -> list[Client]:
    clients = [Client(port) for _ in range(2)]
    for client in clients:
        client.start()
    try:
        work()
    finally:
        for client in clients:
            client.ended.set()
        for client in clients:
            client.join(30)
    return clients


def publish_often(root: Path, mode: str, times: int) -> None:
    for _ in range(times):
        rig.build(root, mode)


@pytest.mark.slow
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("times", [200, pytest.param(2_500, marks=pytest.mark.full)])
def test_nginx_answers_200_with_whole_pages_while_releases_change(memory_folder: Path, mode: str, times: int) -> None:
    site = memory_folder / "site"
    rig.build(site, mode)
    with nginx(memory_folder, site) as port:
        clients = statuses_during(port, lambda: publish_often(site, mode, times))
    for client in clients:
        assert set(client.statuses) == {200}
        assert client.torn == 0
        assert len(client.versions) >= 20


@pytest.mark.slow
def test_control_nginx_answers_404_between_unlink_and_symlink(memory_folder: Path) -> None:
    site = memory_folder / "site"
    rig.build(site, "release")
    link = site / "public"
    target = os.readlink(link)

    def replace_link() -> None:
        for _ in range(20_000):
            link.unlink()
            link.symlink_to(target)

    with nginx(memory_folder, site) as port:
        lost = 0
        for _ in range(10):
            lost += sum(client.statuses.get(404, 0) for client in statuses_during(port, replace_link))
            if lost:
                break
    assert lost > 0


def test_nginx_sends_a_page_of_equal_size_again_after_it_changed(memory_folder: Path) -> None:
    site = Site(memory_folder / "site")
    site.build({"index.html": "one"})
    with nginx(memory_folder, site.root) as port:

        def ask(**headers: str) -> tuple[int, http.client.HTTPMessage]:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
            connection.request(
                "GET", "/index.html", headers={name.replace("_", "-"): headers[name] for name in headers}
            )
            answer = connection.getresponse()
            answer.read()
            connection.close()
            return answer.status, answer.headers

        _, first = ask()
        again = {"If_None_Match": str(first["ETag"]), "If_Modified_Since": str(first["Last-Modified"])}
        assert ask(**again)[0] == 304
        site.now = site.now.replace(year=2020)
        site.build({"index.html": "two"})
        assert ask(**again)[0] == 200
        site.releases.rollback()
        _, second = ask()
        assert second["ETag"] not in (first["ETag"], None)

        # The control: the mtime of the page before, and the browser keeps what it has.
        stale = (site.out / "index.html").stat().st_mtime
        site.build({"index.html": "six"})
        os.utime(site.out / "index.html", (stale, stale))
        assert ask(If_None_Match=str(second["ETag"]))[0] == 304
