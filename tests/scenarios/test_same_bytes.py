"""The same content gives the same bytes, whoever builds it, wherever, with however many processes."""

from __future__ import annotations

import pytest

from tests.scenarios.conftest import Sites
from tests.scenarios.site import SiteTest

HERE = {"TZ": "UTC", "LC_ALL": "C.UTF-8", "LANG": "C.UTF-8"}
# Without PYTHONUTF8 Python reads "C" as UTF-8; switched off it stands for every locale of another encoding.
ELSEWHERE = {
    "far east": {"TZ": "Pacific/Kiritimati", "LC_ALL": "de_DE.UTF-8", "LANG": "de_DE.UTF-8", "PYTHONHASHSEED": "1"},
    "far west": {"TZ": "Pacific/Pago_Pago", "LC_ALL": "C", "LANG": "C", "PYTHONHASHSEED": "2", "PYTHONUTF8": "0"},
    "turkey": {"TZ": "Europe/Istanbul", "LC_ALL": "tr_TR.UTF-8", "LANG": "tr_TR.UTF-8", "PYTHONHASHSEED": "3"},
}


def rich(site: SiteTest) -> SiteTest:
    """Posts at the edges of days and years, in many scripts, with pictures, code, tables and equal times."""
    _, url = site.picture("tea.png")
    body = f'<h2>Içten ß</h2><img src="{url}"><pre><code class="language-python">print(1)</code></pre>'
    site.posts(12, content_html=body + "<table><tr><td>1</td></tr></table><p>Ünïcödé – 日本語</p>")
    site.post("new-year", published_at="2025-12-31T23:30:00.000Z", tags=["İstanbul", "istanbul", "IŞIK"])
    site.post("same-time", published_at="2025-12-31T23:30:00.000Z", tags=["C", "C++", "C#"])
    site.post("日本語", title="日本語の題", tags=["お茶"])
    return site.file("pages/about.md", "---\ntitle: Über\n---\n\nWir – *hier*.\n")


@pytest.mark.slow
@pytest.mark.parametrize("language", ["en", "de"])
def test_another_time_zone_locale_and_folder_give_the_same_bytes(sites: Sites, language: str) -> None:
    settings = {"site": {"language": language, "timezone": "America/New_York"}}
    here = rich(sites("here", **settings)).environment(**HERE).apart("build").expects_exit(0)
    assert "archive/2025/index.html" in here.tree()
    for name, variables in ELSEWHERE.items():
        there = sites(f"elsewhere/{name}", **settings).environment(**variables)
        there.file("pages/about.md", "---\ntitle: Über\n---\n\nWir – *hier*.\n")
        there.apart("build").expects_exit(0)
        assert there.contents() == here.contents(), name


def test_control_the_site_s_own_zone_and_language_do_change_the_bytes(sites: Sites) -> None:
    one = rich(sites("one")).builds()
    zone = sites("zone", site={"timezone": "Pacific/Kiritimati"}).builds()
    language = sites("language", site={"language": "de"}).builds()
    assert one.tree_hash() != zone.tree_hash()
    assert one.tree_hash() != language.tree_hash()


@pytest.mark.slow
def test_two_processes_write_the_same_bytes_as_one(sites: Sites) -> None:
    one = rich(sites("one")).posts(250, start=100)
    two = sites("two").file("pages/about.md", "---\ntitle: Über\n---\n\nWir – *hier*.\n")
    one.apart("build", "--jobs", "1").expects_exit(0)
    two.apart("build", "--jobs", "2").expects_exit(0)
    assert one.ran.report["pages"] > 250  # enough for a second process to be worth it
    assert two.contents() == one.contents()
    one.edit("post-7", title="Changed").apart("build", "--jobs", "2").expects_exit(0)
    two.apart("build", "--jobs", "1").expects_exit(0)
    assert two.contents() == one.contents()


def test_the_way_to_a_content_does_not_matter(sites: Sites) -> None:
    """Many edits one after another, or all of them at once: the last state alone counts."""
    slow = rich(sites("slow")).builds()
    slow.edit("post-1", title="One").builds().delete("post-2").builds().edit("new-year", tags=["C"]).builds()
    slow.post("late").builds().edit("same-time", status="draft").builds()
    quick = sites("quick").file("pages/about.md", "---\ntitle: Über\n---\n\nWir – *hier*.\n").builds()
    assert quick.contents() == slow.contents()
    assert slow.builds("--clean").contents() == quick.contents()
