"""E11 to E13, E16, and what a library promises: each file once, the last good copy, never the whole build."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from tests.media.pictures import encoded, painted, png_of, with_position
from tests.media.server import MediaServer, Request
from velobuild.config.schema import LimitsConfig
from velobuild.errors import Diagnostic, OutputError, Severity
from velobuild.http.addresses import AddressPolicy
from velobuild.http.download import Downloader
from velobuild.media.fetch import MediaLibrary, MediaReport, Wanted
from velobuild.model.assets import Asset

PNG, JPEG = encoded("PNG"), encoded("JPEG")
NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
POST = 'post "Tea" (id 7)'


class Rows(dict[str, Asset]):
    def __init__(self) -> None:
        super().__init__()
        self.threads: set[int] = set()

    def put(self, asset: Asset) -> None:
        self.threads.add(threading.get_ident())
        self[asset.url] = asset


@pytest.fixture
def cms() -> Iterator[MediaServer]:
    with MediaServer() as server:
        yield server


class Site:
    """A library on a temporary folder, with what it said."""

    def __init__(self, cms: MediaServer, folder: Path, **options: Any) -> None:
        self.objects = folder / "objects"
        self.rows = Rows()
        self.warnings: list[Diagnostic] = []
        self.progress: list[tuple[int, int | None]] = []
        limits = options.pop("limits", LimitsConfig())
        policy = options.pop("policy", AddressPolicy.of(cms.url))

        def open_downloader(stop: threading.Event) -> Downloader:
            return Downloader(policy, limit_bytes=limits.media_bytes, stop=stop, first_pause_s=0)

        self.library = MediaLibrary(
            self.objects,
            self.rows,
            policy=policy,
            limits=limits,
            warn=self.warnings.append,
            clock=options.pop("clock", lambda: NOW),
            progress=options.pop("progress", lambda step, done, total, left: self.progress.append((done, total))),
            open_downloader=options.pop("open_downloader", open_downloader),
            **options,
        )

    def fetch(self, *urls: str, **options: Any) -> MediaReport:
        self.warnings.clear()
        return self.library.fetch(Wanted(url, POST, **options) for url in urls)

    def bytes_of(self, url: str) -> bytes:
        asset = self.library.asset(url)
        assert asset is not None
        return self.library.object_path(asset).read_bytes()

    def files(self) -> list[str]:
        return sorted(str(path.relative_to(self.objects)) for path in self.objects.rglob("*") if path.is_file())


@pytest.fixture
def site(cms: MediaServer, tmp_path: Path) -> Site:
    return Site(cms, tmp_path)


def test_a_file_is_fetched_once_and_named_by_its_bytes(cms: MediaServer, site: Site) -> None:
    url = cms.serve("/a.png", PNG, etag='"1"')
    first, second = site.fetch(url, url), site.fetch(url)
    digest = sha256(PNG).hexdigest()
    assert (first, second) == (MediaReport(fetched=(url,), bytes=len(PNG)), MediaReport(unchanged=(url,)))
    assert site.rows[url] == Asset(url, digest, "png", "image/png", len(PNG), 64, 40, NOW, '"1"', None)
    assert site.rows[url].path == f"media/{digest[:32]}.png"
    assert site.files() == [f"{digest[:2]}/{digest[2:]}.png"]
    assert (len(cms.requests), site.warnings, site.progress) == (1, [], [(1, 1)])


def test_the_hash_is_that_of_the_bytes_as_published(cms: MediaServer, site: Site) -> None:
    url = cms.serve("/a.jpg", encoded("JPEG", exif=with_position(6)))
    site.fetch(url)
    asset = site.rows[url]
    published = site.bytes_of(url)
    assert (asset.sha256, asset.size_bytes) == (sha256(published).hexdigest(), len(published))
    assert (asset.width_px, asset.height_px, b"SecretMaker" in published) == (40, 64, False)


def test_a_published_file_can_be_read_by_a_web_server(cms: MediaServer, site: Site) -> None:
    url, old = cms.serve("/a.png", PNG), os.umask(0o077)
    try:
        site.fetch(url)
    finally:
        os.umask(old)
    assert site.library.object_path(site.rows[url]).stat().st_mode & 0o777 == 0o644


@pytest.mark.parametrize(
    "name",
    ["../../index.html", "x%00.png", "con.png", "n" * 300 + ".png", "a;rm -rf", "\u202egnp.exe", "%2e%2e%2fx.png"],
)
def test_e11_a_name_is_never_used(cms: MediaServer, site: Site, name: str) -> None:
    cms.replies.clear()
    url = f"{cms.url}/media/{name}"
    cms.replies = Anything(lambda request: request.answer(200, PNG))
    site.fetch(url)
    digest = sha256(PNG).hexdigest()
    assert (site.files(), site.rows[url].path) == ([f"{digest[:2]}/{digest[2:]}.png"], f"media/{digest[:32]}.png")


class Anything(dict[str, Any]):
    def __init__(self, reply: Callable[[Request], None]) -> None:
        super().__init__()
        self._reply = reply

    def get(self, key: str, default: Any = None) -> Any:
        return self._reply


def test_e12_one_of_two_hundred_fails_and_the_others_are_there(cms: MediaServer, site: Site) -> None:
    urls = [cms.serve(f"/{number}.png", encoded("PNG", painted(8, number + 1))) for number in range(200)]
    cms.replies.pop("/77.png")
    report = site.fetch(*urls)
    assert (len(report.fetched), list(report.failed)) == (199, [urls[77]])
    finding = report.failed[urls[77]]
    assert (finding.code, finding.where, finding.severity) == ("VB4001", f"{POST}: {urls[77]}", Severity.WARNING)
    assert "404" in finding.what
    assert site.warnings == [finding]
    assert site.library.asset(urls[77]) is None


@pytest.mark.parametrize("status", [404, 500])
def test_e12_the_last_good_copy_stays(cms: MediaServer, site: Site, status: int) -> None:
    url = cms.serve("/a.png", PNG)
    site.fetch(url)
    cms.serve("/a.png", lambda request: request.answer(status))
    report = site.fetch(url, recheck=True)
    assert report == MediaReport(kept=(url,))
    assert site.bytes_of(url) == PNG
    assert "the last good copy stays" in site.warnings[0].what


def test_e12_a_bad_new_version_does_not_replace_a_good_one(cms: MediaServer, site: Site) -> None:
    url = cms.serve("/a.png", PNG)
    site.fetch(url)
    for bad, code in (
        (b"<html>maintenance</html>", "VB4003"),
        (png_of(50_000, 50_000), "VB4004"),
        (PNG[:-5], "VB4003"),
    ):
        cms.serve("/a.png", bad)
        assert site.fetch(url, recheck=True).kept == (url,)
        assert (site.warnings[0].code, site.bytes_of(url)) == (code, PNG)


def test_e13_new_bytes_under_the_same_url_get_a_new_name(cms: MediaServer, site: Site) -> None:
    url = cms.serve("/a.png", PNG, etag='"1"')
    site.fetch(url)
    old = site.rows[url]
    cms.serve("/a.png", JPEG, etag='"2"')
    assert site.fetch(url).unchanged == (url,)
    assert site.fetch(url, recheck=True).fetched == (url,)
    new = site.rows[url]
    assert (old.path == new.path, new.extension, new.etag) == (False, "jpg", '"2"')
    assert (site.bytes_of(url), site.library.object_path(old).read_bytes()) == (JPEG, PNG)


def test_e13_the_same_bytes_under_a_new_tag_are_no_change(cms: MediaServer, site: Site) -> None:
    url = cms.serve("/a.png", PNG, etag='"1"')
    site.fetch(url)
    assert site.fetch(url, recheck=True) == MediaReport(unchanged=(url,))
    cms.serve("/a.png", PNG, etag='"2"')
    report = site.fetch(url, recheck=True)
    assert (report.unchanged, report.bytes, site.rows[url].etag) == ((url,), len(PNG), '"2"')


def test_e14_a_file_of_another_size_than_its_record_is_not_published(cms: MediaServer, site: Site) -> None:
    url = cms.serve("/a.png", PNG)
    report = site.fetch(url, expected_size=len(PNG) + 10)
    assert (list(report.failed), site.files()) == ([url], [])
    assert site.fetch(url, expected_size=len(PNG)).fetched == (url,)


def test_e16_only_what_is_wanted_now_is_in_the_report(cms: MediaServer, site: Site) -> None:
    kept, gone = cms.serve("/a.png", PNG), cms.serve("/b.jpg", JPEG)
    site.fetch(kept, gone)
    report = site.fetch(kept)
    assert {*report.fetched, *report.unchanged, *report.kept, *report.failed} == {kept}


def test_a_copy_that_vanished_or_shrank_is_fetched_anew(cms: MediaServer, site: Site) -> None:
    url = cms.serve("/a.png", PNG, etag='"1"')
    for harm in (lambda path: path.unlink(), lambda path: path.write_bytes(PNG[:9])):
        site.fetch(url)
        harm(site.library.object_path(site.rows[url]))
        assert site.library.asset(url) is None
        assert site.fetch(url).fetched == (url,)
        assert site.bytes_of(url) == PNG
    assert all("if-none-match" not in seen.headers for seen in cms.requests)


def test_an_address_that_is_not_allowed_fails_alone_and_says_so(cms: MediaServer, site: Site) -> None:
    good = cms.serve("/a.png", PNG)
    report = site.fetch(good, "https://elsewhere.example/x.png?key=1", "file:///etc/passwd", "http://169.254.169.254/")
    assert (report.fetched, {finding.code for finding in report.failed.values()}) == ((good,), {"VB4002"})
    assert all("key=1" not in f"{finding}" for finding in site.warnings)


def test_findings_come_in_the_order_of_their_urls_whatever_the_network_does(cms: MediaServer, site: Site) -> None:
    urls = [f"{cms.url}/{number:02}" for number in range(30)]
    site.fetch(*reversed(urls))
    assert [finding.where for finding in site.warnings] == [f"{POST}: {url}" for url in urls]


def test_a_build_loads_no_more_than_its_budget_and_the_next_goes_on(cms: MediaServer, tmp_path: Path) -> None:
    pictures = {cms.serve(f"/{n}.png", png_of(8, n + 1, rows=os.urandom(5000))): n for n in range(10)}
    limits = LimitsConfig(media_total_bytes=26_000)
    site = Site(cms, tmp_path, limits=limits, workers=1)
    first = site.fetch(*pictures)
    assert len(first.fetched) == 5
    assert {finding.code for finding in first.failed.values()} == {"VB4004"}
    second = site.fetch(*pictures)
    assert (len(second.fetched), len(second.unchanged)) == (5, 5)


def test_a_file_over_the_limit_fails_alone(cms: MediaServer, tmp_path: Path) -> None:
    site = Site(cms, tmp_path, limits=LimitsConfig(media_bytes=2000))
    good, big = cms.serve("/a.png", PNG), cms.serve("/b.png", PNG + b"x" * 3000)
    report = site.fetch(good, big)
    assert (report.fetched, report.failed[big].code) == ((good,), "VB4004")


def test_a_host_that_is_down_is_not_waited_for_again_and_again(cms: MediaServer, tmp_path: Path) -> None:
    site = Site(cms, tmp_path, workers=1)
    urls = [cms.serve(f"/{number:02}", lambda request: request.answer(503)) for number in range(30)]
    report = site.fetch(*urls)
    assert (len(report.failed), len(cms.requests)) == (30, 5 * 4)
    assert "was not asked again" in report.failed[urls[29]].what


def test_missing_files_do_not_make_a_host_count_as_down(cms: MediaServer, tmp_path: Path) -> None:
    site = Site(cms, tmp_path, workers=1)
    last = cms.serve("/99.png", PNG)
    assert site.fetch(*(f"{cms.url}/{number:02}" for number in range(30)), last).fetched == (last,)


def test_rows_are_told_by_the_calling_thread_alone(cms: MediaServer, site: Site) -> None:
    site.fetch(*(cms.serve(f"/{number}", encoded("PNG", painted(8, number + 1))) for number in range(12)))
    assert (site.rows.threads, len(site.rows)) == ({threading.get_ident()}, 12)


def test_several_files_are_fetched_at_a_time(cms: MediaServer, site: Site) -> None:
    together = threading.Barrier(4, timeout=10)

    def meeting(request: Request) -> None:
        together.wait()
        request.answer(200, PNG)

    report = site.fetch(*(cms.serve(f"/{number}", meeting) for number in range(4)))
    assert len(report.fetched) == 4


def test_an_interrupt_keeps_what_came_and_ends_at_once(cms: MediaServer, tmp_path: Path) -> None:
    done = threading.Event()

    def stuck(request: Request) -> None:
        done.wait(20)

    good, slow = cms.serve("/a.png", PNG), cms.serve("/b.png", stuck)

    def interrupt(*_: Any) -> None:
        raise KeyboardInterrupt

    site = Site(cms, tmp_path, progress=interrupt)
    began = time.monotonic()
    try:
        with pytest.raises(KeyboardInterrupt):
            site.fetch(good, slow)
    finally:
        done.set()
    # Unstopped, the other worker would wait 15 s for its silent server.
    assert (list(site.rows), time.monotonic() - began < 8) == ([good], True)


def test_what_is_left_of_a_download_is_continued_by_the_next_build(cms: MediaServer, tmp_path: Path) -> None:
    body = png_of(8, 8, rows=os.urandom(60_000))

    def broken(request: Request) -> None:
        request.head(200, Content_Length=str(len(body)), ETag='"1"')
        request.wfile.write(body[:20_000])
        request.cut()

    site = Site(
        cms,
        tmp_path,
        open_downloader=lambda stop: Downloader(
            AddressPolicy.of(cms.url), limit_bytes=10**6, stop=stop, first_pause_s=100
        ),
    )
    url = cms.serve("/a.png", broken)
    assert list(site.fetch(url).failed) == [url]
    cms.serve("/a.png", body, etag='"1"')
    report = site.fetch(url)
    assert (report.fetched, report.bytes, site.bytes_of(url)) == ((url,), len(body) - 20_000, body)
    assert [name for name in site.files() if name.startswith(".incoming")] == []


def test_remains_that_nobody_came_back_for_are_swept_after_a_week(cms: MediaServer, site: Site) -> None:
    remains = site.objects / ".incoming" / "tmp-x"
    remains.parent.mkdir(parents=True)
    for age, there in ((6, True), (8, False)):
        remains.write_bytes(b"x")
        then = (NOW - timedelta(days=age)).timestamp()
        os.utime(remains, (then, then))
        site.fetch()
        assert remains.exists() is there


def test_a_full_disk_stops_with_its_own_error_and_leaves_nothing_half(cms: MediaServer, tmp_path: Path) -> None:
    small = tmp_path / "small"
    small.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", small], capture_output=True, check=False
    )
    if mounted.returncode:
        assert os.environ.get("CI") != "true", "CI can mount"
        pytest.skip("mounting a small disk needs root")
    try:
        site = Site(cms, small)
        good = cms.serve("/a.png", PNG)
        site.fetch(good)
        with pytest.raises(OutputError) as caught:
            site.fetch(cms.serve("/b.png", png_of(8, 8, rows=os.urandom(100_000))))
        assert (caught.value.code, caught.value.exit_code) == ("VB6001", 6)
        assert (len(site.files()), site.bytes_of(good)) == (1, PNG)
    finally:
        subprocess.run(["umount", small], check=True)


def test_a_folder_that_cannot_be_written_stops_with_its_own_error(cms: MediaServer, site: Site) -> None:
    site.objects.parent.mkdir(exist_ok=True)
    site.objects.write_bytes(b"a file stands in the way")
    with pytest.raises(OutputError) as caught:
        site.fetch(cms.serve("/a.png", PNG))
    assert caught.value.code == "VB6002"


def run_apart(cms: MediaServer, folder: Path, *lines: str) -> list[str]:
    """Run lines in a process of their own, with `site` on `folder`; gives what they printed."""
    start = (
        "import resource, signal",
        "from tests.media.test_library import *",
        "limits = LimitsConfig(media_bytes=500_000_000)",
        f"site = Site(MediaServer(port={cms.port}), Path({str(folder)!r}), limits=limits)",
    )
    code = "\n".join((*start, *lines))
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    return run.stdout.split()


def test_a_short_write_is_no_file(cms: MediaServer, tmp_path: Path) -> None:
    url = cms.serve("/a.png", png_of(8, 8, rows=os.urandom(60_000)))
    said = run_apart(
        cms,
        tmp_path,
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)",
        "resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))",
        f"try: site.fetch({url!r})",
        "except OutputError as error: print(error.code, len(site.files()), len(site.rows))",
    )
    assert said == ["VB6002", "0", "0"]


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the peak of memory is read from /proc")
def test_a_large_file_is_never_in_memory_as_a_whole(cms: MediaServer, tmp_path: Path) -> None:
    def large(request: Request) -> None:
        request.head(200, Content_Length=str(5 + 150_000_000))
        request.wfile.write(b"%PDF-")
        for _ in range(150):
            request.wfile.write(bytes(1_000_000))

    url = cms.serve("/a.pdf", large)
    before, after, control = map(
        int,
        run_apart(
            cms,
            tmp_path,
            "def peak(): print(Path('/proc/self/status').read_text().split('VmHWM:')[1].split()[0])",
            "peak()",
            f"assert site.fetch({url!r}).fetched",
            "peak()",
            f"site.bytes_of({url!r})",
            "peak()",
        ),
    )
    assert (after - before < 30_000, control - after > 100_000) == (True, True)


def test_wishes_for_one_url_are_joined(cms: MediaServer, site: Site) -> None:
    url = cms.serve("/a.png", PNG)
    plain = Wanted(url, "first")
    report = site.library.fetch([plain, replace(plain, where="second", expected_size=1)])
    assert report.failed[url].where == f"first: {url}"


def test_two_urls_with_the_same_bytes_share_a_file(cms: MediaServer, site: Site) -> None:
    urls = [cms.serve(f"/{name}", PNG) for name in "ab"]
    site.fetch(*urls)
    assert (len({site.rows[url].path for url in urls}), len(site.files())) == (1, 1)


def test_the_store_can_be_thrown_away(cms: MediaServer, site: Site) -> None:
    url = cms.serve("/a.png", PNG)
    site.fetch(url)
    shutil.rmtree(site.objects)
    assert site.fetch(url).fetched == (url,)
