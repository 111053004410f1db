"""How long from the arrival of a delivery to the page being live: the development CMS, its webhook, the service.

    .venv/bin/python benchmarks/live.py [--posts 1000] [--edits 30] [--place DIR]

Prints one line of JSON: milliseconds from the arrival of a delivery at the door to the published page, as the service
records them, altogether and until each stage, and the memory of the service and its build process. All share the
machine.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from statistics import median, quantiles
from typing import Any

import httpx

sys.path.insert(0, str(Path(__file__).parent))
import corpus

from velobuild.devcms import GENEROUS, DevCms, Running

STAGES = ("fetched", "built", "published")
SECRET = "a-secret-for-the-benchmark"


def site_of(folder: Path, cms: Running, key: str) -> tuple[Path, dict[str, str]]:
    """A site's folder and the environment for its commands."""
    site = folder / "site"
    site.mkdir()
    (site / "velobuild.toml").write_text(f'[source]\nurl = "{cms.url}"\nrate_limit = "1000/s"\n')
    variables = {name: os.environ[name] for name in ("PATH", "HOME", "PYTHONPATH") if name in os.environ}
    cache = {"XDG_CACHE_HOME": str(folder / "cache"), "VELOCMS_API_KEY": key, "VELOBUILD_WEBHOOK_SECRET": SECRET}
    return site, {**variables, **cache}


def resident_mb(pid: int) -> float:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) / 1000


def child_of(pid: int) -> int:
    found = subprocess.run(["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True, check=True)
    return int(found.stdout.split()[0])


def first_document(lines: Iterable[str]) -> Any:
    """The first JSON document of a stream that goes on, and whose documents may be several lines long."""
    text = ""
    for line in lines:
        text += line
        with suppress(json.JSONDecodeError):
            return json.loads(text)
    raise EOFError(f"the service ended before it said where it listens: {text!r}")


def measure(folder: Path, cms: Running, posts: list[tuple[str, str]], edits: int) -> dict[str, Any]:
    site, variables = site_of(folder, cms, cms.create_key("benchmark"))
    command = [sys.executable, "-m", "velobuild"]
    subprocess.run([*command, "build", "-q"], cwd=site, env=variables, check=True, stdout=subprocess.DEVNULL)
    listen = [*command, "listen", "--address", "127.0.0.1:0", "--json", "-q"]
    with subprocess.Popen(listen, cwd=site, env=variables, stdout=subprocess.PIPE, text=True) as service:
        try:
            assert service.stdout is not None
            hook = first_document(service.stdout)["hooks"][0]
            with httpx.Client(base_url=hook.partition("/hooks/")[0], trust_env=False, timeout=60) as client:

                def fares() -> Any:
                    return client.get("/status.json").json()["site"]

                while fares()["status"]["builds_total"] < 1:
                    time.sleep(0.1)
                cms.add_webhook(hook, secret=SECRET)
                records = [one_edit(client, cms, *posts[len(posts) * n // edits], n) for n in range(edits)]
            took = [record["live_after_ms"] for record in records]
            return {
                "posts": len(posts),
                "edits": edits,
                "median_ms": round(median(took)),
                "p95_ms": round(quantiles(took, n=20)[-1]),
                "median_ms_until": {stage: round(median(map(until(stage), records))) for stage in STAGES},
                "service_mb": round(resident_mb(service.pid)),
                "build_process_mb": round(resident_mb(child_of(service.pid))),
            }
        finally:
            service.terminate()


def until(stage: str) -> Callable[[Mapping[str, Any]], float]:
    """From a delivery's record, the milliseconds from its arrival to the stage."""

    def of(record: Mapping[str, Any]) -> float:
        reached, received = (datetime.fromisoformat(record[f"{name}_at"]) for name in (stage, "received"))
        return (reached - received).total_seconds() * 1000

    return of


def one_edit(client: httpx.Client, cms: Running, id: str, body: str, number: int) -> Mapping[str, Any]:
    """Add a line to a post's text; the record of its delivery, once the page is live."""
    cms.update_post(id, content_html=f"{body}\n<p>Edit {number}</p>")
    while True:
        answer = client.get(f"/sites/site/posts/{id}.json")
        if answer.status_code == 200 and "live_after_ms" in answer.json()[0]:
            record: Mapping[str, Any] = answer.json()[0]
            time.sleep(6.1)  # An edit for itself: those that follow within seconds wait for a moment of quiet.
            return record
        time.sleep(0.05)


def main() -> None:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--posts", type=int, default=1000)
    arguments.add_argument("--edits", type=int, default=30)
    arguments.add_argument("--place", type=Path)
    given = arguments.parse_args()
    with tempfile.TemporaryDirectory(dir=given.place) as folder, DevCms(Path(folder) / "cms").start() as cms:
        cms.set_switches(GENEROUS)
        known = ("title", "slug", "status", "content_html", "tags", "published_at", "excerpt", "updated", "created")
        made = [{k: v for k, v in post.items() if k in known} for post in corpus.posts(given.posts)]
        ids = cms.create_posts(made)
        posts = [(id, post["content_html"]) for id, post in zip(ids, made, strict=True)]
        print(json.dumps(measure(Path(folder), cms, posts, given.edits)))


if __name__ == "__main__":
    main()
