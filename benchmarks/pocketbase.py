"""A full and an idle synchronisation with a real PocketBase on this machine: `benchmarks/run pocketbase`.

The server is filled once for each size and copied for every turn, so that each begins with the same files on the disk.
Each turn starts the server, lets `velobuild sync` read everything into an empty site, and again when nothing changed.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

import compare
import corpus
import httpx

BATCH = 500
LOGIN = ("root@example.org", "correct-horse-1")
TEXTS = ("title", "slug", "excerpt", "author", "status")
HEADING = "## A real PocketBase"
LIMITS = {"first": (15.0, 300.0), "idle": (1.0, 300.0)}
"""What may be needed at most for 10,000 posts: seconds and MB."""


@dataclass(frozen=True, slots=True)
class Turn:
    """One server, pulled twice."""

    first: compare.Run
    idle: compare.Run


def flags(data: Path) -> list[str]:
    places = [f"--{name}={data / name}" for name in ("dir", "publicDir", "hooksDir", "migrationsDir")]
    return [*places, "--automigrate=false", "--hooksWatch=false"]


def free_port() -> int:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def serving(data: Path) -> Iterator[str]:
    """PocketBase over this folder, by its address; ended at the end."""
    url = f"http://127.0.0.1:{free_port()}"
    command = [compare.BIN / "pocketbase", "serve", f"--http={url.removeprefix('http://')}", *flags(data)]
    server = subprocess.Popen(list(map(str, command)), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 30
        while True:
            try:
                httpx.get(f"{url}/api/health", trust_env=False)
                break
            except httpx.TransportError:
                if time.monotonic() > deadline or server.poll() is not None:
                    raise SystemExit("PocketBase did not start") from None
                time.sleep(0.02)
        yield url
    finally:
        server.terminate()
        server.wait(30)


def filled(data: Path, post_count: int) -> None:
    """Make the server's folder: the corpus as published posts that signed-in users may read. A finished one is kept."""
    if (data / "complete").exists():
        return
    shutil.rmtree(data, ignore_errors=True)
    data.mkdir(parents=True)
    subprocess.run(
        [compare.BIN / "pocketbase", "superuser", "upsert", *LOGIN, *flags(data)], check=True, capture_output=True
    )
    with serving(data) as url, httpx.Client(base_url=f"{url}/api", trust_env=False, timeout=120) as client:
        client.headers["Authorization"] = login(client)
        made(client.patch("/settings", json={"batch": {"enabled": True, "maxRequests": BATCH, "timeout": 100}}))
        fields: list[dict[str, Any]] = [{"name": name, "type": "text"} for name in TEXTS]
        fields += [{"name": "content_html", "type": "editor"}, {"name": "tags", "type": "json"}]
        fields += [{"name": "published_at", "type": "date"}, {"name": "created", "type": "autodate", "onCreate": True}]
        fields += [{"name": "updated", "type": "autodate", "onCreate": True, "onUpdate": True}]
        rule = '@request.auth.id != ""'
        rules = {"type": "base", "listRule": rule, "viewRule": rule}
        made(client.post("/collections", json={"name": "posts", "fields": fields, **rules}))
        for start in range(0, post_count, BATCH):
            numbers = range(start, min(start + BATCH, post_count))
            made(client.post("/batch", json={"requests": [creation(corpus.post(n, post_count)) for n in numbers]}))
    (data / "complete").touch()


def creation(post: dict[str, Any]) -> dict[str, Any]:
    record = {name: post[name] for name in ("title", "slug", "excerpt", "author", "content_html", "tags")}
    record |= {"status": "published", "published_at": post["published_at"].replace("T", " ").replace("Z", ".000Z")}
    return {"method": "POST", "url": "/api/collections/posts/records", "body": record}


def login(client: httpx.Client) -> str:
    asked = {"identity": LOGIN[0], "password": LOGIN[1]}
    token: str = made(client.post("/collections/_superusers/auth-with-password", json=asked))["token"]
    return token


def reader_token(url: str) -> str:
    """A token of a user who may read and not write."""
    with httpx.Client(base_url=f"{url}/api", trust_env=False, timeout=30) as client:
        client.headers["Authorization"] = login(client)
        user = {"email": "reader@example.org", "password": "reader-pass-1", "passwordConfirm": "reader-pass-1"}
        id = made(client.post("/collections/users/records", json=user))["id"]
        token: str = made(client.post(f"/collections/users/impersonate/{id}", json={"duration": 86400}))["token"]
        return token


def made(answer: httpx.Response) -> Any:
    if not answer.is_success:
        raise SystemExit(f"PocketBase said {answer.status_code}: {answer.text[:300]}")
    return answer.json()


def turn(data: Path, place: Path, post_count: int) -> Turn:
    own = compare.copied(data, place / "data")
    site = place / "site"
    site.mkdir()
    with serving(own) as url:
        token = site / "token"
        token.touch(0o600)
        token.write_text(reader_token(url))
        (site / "velobuild.toml").write_text(
            '[site]\nbase_url = "https://blog.example"\n[source]\ntype = "pocketbase"\n'
            f'url = "{url}"\ntoken_file = "token"\n[source.collections]\nmedia = ""\nsettings = ""\n'
        )
        sync = [compare.BIN / "velobuild", "-C", site, "--json", "--no-progress", "sync"]
        first = compare.run(sync)
        report = said()
        if report.get("bodies_fetched", report.get("sync", {}).get("bodies_fetched")) != post_count:
            raise SystemExit(f"not every body came: {report}")
        # A glance trusts no change of the last three seconds; nobody syncs twice within them.
        time.sleep(3.2)
        return Turn(first, compare.run(sync))


def said() -> dict[str, Any]:
    """The JSON document of the command that ran last, whose lines of talk stand around it."""
    text = (compare.WORK / "said.txt").read_text("utf-8")
    found: dict[str, Any] = json.JSONDecoder().raw_decode(text, text.index("{"))[0]
    return found


def rows(post_count: int, turns: Sequence[Turn]) -> list[str]:
    lines = [
        f"{post_count:,} posts of about 6 KB, {len(turns)} turns; the memory is velobuild's, not the server's.",
        "",
        "| | s | at most | CPU s | MB | at most |",
        "|---|---|---|---|---|---|",
    ]
    for name, called in (("first", "full sync, bodies included"), ("idle", "sync without changes")):
        runs = [getattr(one, name) for one in turns]
        most_s, most_mb = LIMITS[name] if post_count == 10_000 else ("", "")
        cells = [called, compare.seconds(runs, compare.wall), str(most_s), compare.seconds(runs, compare.cpu)]
        cells += [f"{max(map(compare.peak, runs)):.0f}", str(most_mb)]
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def section(post_count: int, turns: Sequence[Turn], before: tuple[float, ...]) -> str:
    version = subprocess.run([compare.BIN / "pocketbase", "--version"], capture_output=True, text=True, check=True)
    at = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=compare.HERE, capture_output=True, text=True)
    lines = [
        HEADING,
        "",
        f"Written by `benchmarks/run pocketbase`; {datetime.now(UTC):%Y-%m-%d}, {at.stdout.strip() or 'no commit'}, "
        f"PocketBase {version.stdout.split()[-1]} on loopback, with velobuild's own limit of 20 calls a second; "
        f"{compare.machine()}; load average before {before[0]:.1f}, after {os.getloadavg()[0]:.1f}.",
        "",
        *rows(post_count, turns),
        "",
    ]
    return "\n".join(lines)


def with_section(text: str, own: str) -> str:
    """The report with this section in place of its last version, or at its end."""
    before, found, rest = text.partition(f"{HEADING}\n")
    _, other, after = rest.partition("\n## ")
    kept = f"\n## {after}" if found and other else ""
    return f"{before.rstrip()}\n\n{own.rstrip()}\n{kept}"


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, prog="benchmarks/run pocketbase")
    parser.add_argument("--posts", type=int, default=10_000, help="how many; only 10,000 are written down")
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--place", type=Path, default=compare.WORK, help="where servers and sites lie")
    options = parser.parse_args(arguments)
    compare.WORK.mkdir(exist_ok=True)
    before = os.getloadavg()
    data = compare.WORK / f"pocketbase-{options.posts}"
    filled(data, options.posts)
    place = Path(tempfile.mkdtemp(prefix="pocketbase-", dir=options.place))
    try:
        turns = []
        for number in range(options.turns):
            turns.append(turn(data, place / str(number), options.posts))
            print(f"turn {number + 1}: {turns[-1].first.wall_s:.2f} s, then {turns[-1].idle.wall_s:.2f} s", flush=True)
    finally:
        shutil.rmtree(place)
    text = section(options.posts, turns, before)
    print(text)
    if options.posts == 10_000:
        report = compare.HERE / "RESULTS.md"
        report.write_text(with_section(report.read_text("utf-8"), text), "utf-8")
        slow = [name for name in LIMITS if median(getattr(one, name).wall_s for one in turns) > LIMITS[name][0]]
        if slow:
            raise SystemExit(f"slower than promised: {', '.join(slow)}")


if __name__ == "__main__":
    main()
