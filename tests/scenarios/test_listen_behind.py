"""The files of docs/service: each is tried where it can be, and checked by its own tool where not."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import yaml

from tests.needs import needs
from tests.scenarios.conftest import Sites
from tests.scenarios.listening import Listening, deliver, listening, until

FILES = Path(__file__).parents[2] / "docs" / "service"


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port: int = taken.getsockname()[1]
        return port


@contextmanager
def running(command: list[str], url: str, log: Path) -> Iterator[None]:
    with log.open("w") as said:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=said, stderr=said)
    try:
        until(lambda: answers(url) or process.poll() is not None, "it answers", within_s=15)
        assert process.poll() is None, log.read_text()
        yield
    finally:
        process.terminate()
        process.wait(10)


def answers(url: str) -> bool:
    try:
        return httpx.get(url, trust_env=False).status_code > 0
    except httpx.TransportError:
        return False


def expects_hooks_alone(service: Listening, proxy: str) -> None:
    """Deliveries come through; nothing else does, and the status stays inside."""
    assert deliver(f"{proxy}/hooks/site", "test.ping") == 202
    assert service.status()["door"]["accepted"] == 1
    assert deliver(f"{proxy}/hooks/site", "test.ping", secret="a-wrong-secret-it-is") == 401
    assert httpx.get(f"{proxy}/hooks/site", trust_env=False).status_code in (403, 404, 405)
    for path in ("/status.json", "/metrics", "/healthz", "/hooks/../status.json"):
        assert httpx.get(proxy + path, trust_env=False).status_code in (400, 403, 404), path
    large = httpx.post(f"{proxy}/hooks/site", content=b"x" * 5_000_000, trust_env=False)
    # A proxy that is still writing when the door refuses may see the connection's end before it reads the reply.
    assert large.status_code in (413, 502)
    assert service.status()["door"]["accepted"] == 1


def test_nginx_passes_deliveries_on_and_nothing_else(sites: Sites, tmp_path: Path) -> None:
    nginx = shutil.which("nginx") or "/usr/sbin/nginx"
    needs(Path(nginx).exists(), "nginx")
    site = sites("one").posts(1).builds()
    with listening(site) as service:
        port = free_port()
        snippet = (FILES / "nginx.conf").read_text().replace("http://127.0.0.1:8787", service.address)
        assert service.address in snippet
        (tmp_path / "web").mkdir()
        temporary = "".join(f"{kind}_temp_path {tmp_path}/{kind};" for kind in ("client_body", "proxy", "fastcgi"))
        temporary += "".join(f"{kind}_temp_path {tmp_path}/{kind};" for kind in ("uwsgi", "scgi"))
        (tmp_path / "nginx.conf").write_text(
            f"daemon off; pid {tmp_path}/pid; error_log stderr; user root; events {{}} http {{ access_log off;"
            f"{temporary}"
            f"server {{ listen 127.0.0.1:{port}; root {tmp_path}/web;\n{snippet}\n}} }}"
        )
        command = [nginx, "-p", str(tmp_path), "-c", str(tmp_path / "nginx.conf")]
        with running(command, f"http://127.0.0.1:{port}/", tmp_path / "nginx.log"):
            expects_hooks_alone(service, f"http://127.0.0.1:{port}")


def test_caddy_passes_deliveries_on_and_nothing_else(sites: Sites, tmp_path: Path) -> None:
    caddy = shutil.which("caddy")
    needs(caddy is not None, "caddy")
    assert caddy is not None
    site = sites("one").posts(1).builds()
    with listening(site) as service:
        port = free_port()
        text = (FILES / "Caddyfile").read_text()
        text = text.replace("blog.example.org {", f"http://127.0.0.1:{port} {{")
        text = text.replace("reverse_proxy 127.0.0.1:8787", f"reverse_proxy {service.address.removeprefix('http://')}")
        text = text.replace("/srv/site/public", str(site.public))
        (tmp_path / "Caddyfile").write_text("{\n\tadmin off\n}\n" + text)
        command = [caddy, "run", "--adapter", "caddyfile", "--config", str(tmp_path / "Caddyfile")]
        with running(command, f"http://127.0.0.1:{port}/", tmp_path / "caddy.log"):
            expects_hooks_alone(service, f"http://127.0.0.1:{port}")
            assert "Post 0" in httpx.get(f"http://127.0.0.1:{port}/post-0/", trust_env=False).text


def test_the_systemd_units_are_valid_and_confined(tmp_path: Path) -> None:
    """Only checked: there is no systemd here that could start them."""
    analyze = shutil.which("systemd-analyze")
    needs(analyze is not None, "systemd-analyze")
    assert analyze is not None
    unit = (FILES / "velobuild.service").read_text()
    # The one thing of it that is not on this machine.
    (tmp_path / "velobuild.service").write_text(unit.replace("/opt/velobuild/bin/velobuild", "/bin/true"))
    shutil.copy(FILES / "velobuild.socket", tmp_path)
    units = [str(tmp_path / "velobuild.service"), str(tmp_path / "velobuild.socket")]
    done = subprocess.run([analyze, "verify", *units], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr.strip()) == (0, "")
    judged = [analyze, "security", "--offline=true", "--threshold=15", units[0]]
    assert subprocess.run(judged, capture_output=True, check=False).returncode == 0
    loose = "\n".join(line for line in unit.splitlines() if not line.startswith(("Protect", "Private", "SystemCall")))
    (tmp_path / "velobuild.service").write_text(loose.replace("/opt/velobuild/bin/velobuild", "/bin/true"))
    assert subprocess.run(judged, capture_output=True, check=False).returncode != 0, "the control"


def test_the_dockerfile_has_nothing_that_its_linter_complains_of() -> None:
    """Only checked: there is no engine here that could build it."""
    hadolint = Path(sys.executable).with_name("hadolint")
    needs(hadolint.exists(), "hadolint")
    done = subprocess.run([str(hadolint), str(FILES / "Dockerfile")], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")
    bad = "FROM debian\nRUN cd /tmp && apt-get install curl\n"
    control = subprocess.run([str(hadolint), "-"], input=bad, capture_output=True, text=True, check=False)
    assert control.returncode != 0


def test_the_compose_file_keeps_the_token_out_of_what_nginx_sees() -> None:
    """Only read: there is no engine here that could start it."""
    services = yaml.safe_load((FILES / "compose.yaml").read_text())["services"]
    assert services["velobuild"]["env_file"] == [".env"]
    mounts = [volume.partition(":")[0] for volume in services["web"]["volumes"]]
    assert not any(mount in (".", "./") for mount in mounts)
    assert services["web"]["ports"] == ["80:80"]
    assert "ports" not in services["velobuild"], "the service is reached through nginx alone"
