"""`velobuild build --verify`: the updated site is the one that a clean build makes, and where not, it says so."""

from __future__ import annotations

import random
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.scenarios.written import Written
from velobuild.config.load import load
from velobuild.pipeline.verifying import verify

ROOT = Path(__file__).parents[2]
STEPS = 6


def tree(site: Written) -> dict[str, bytes]:
    public = site.root / "public"
    return {file.relative_to(public).as_posix(): file.read_bytes() for file in public.rglob("*") if file.is_file()}


def test_an_updated_site_is_verified_and_nothing_is_left_behind(tmp_path: Path) -> None:
    site = Written(tmp_path / "site", posts=4).picture("posts/cat.png", "red")
    site.post("p1", "![Cat](cat.png)", day=27).builds()
    site.post("p2", day=26, slug="elsewhere").builds("--verify")

    report = site.builds("--verify")
    assert report["verify"]["differences"] == []
    assert report["verify"]["files"] == len(tree(site)) > 15
    assert not (site.root / ".velobuild" / "verify").exists()


def test_a_change_that_was_missed_is_named_with_its_line_and_the_live_site_stays(tmp_path: Path) -> None:
    site = Written(tmp_path / "site", posts=4)
    site.builds()
    # The home page forgets what it read of its posts: from now on no change of them finds it.
    home = "(SELECT id FROM output WHERE path = 'index.html')"
    site.sql(f"DELETE FROM post_read WHERE output = {home}")
    site.post("p1", day=27, tags="jam", excerpt="Another beginning.").builds()
    before = tree(site)

    report = site.does("build", "--verify")

    assert site.code == 1
    (difference,) = report["verify"]["differences"]
    assert difference["path"] == "index.html"
    assert difference["what"] == "differs"
    assert "Short." in difference["live"]
    assert "Another beginning." in difference["clean"]
    number = difference["line"]
    assert "Short." in before["index.html"].decode().split("\n")[number - 1]
    assert any("did not render it" in line for line in difference["why"])
    assert "error[VB9002]: /index.html differs" in site.err
    assert "`velobuild build --clean` makes every page anew" in site.err
    assert tree(site) == before


def test_a_missed_change_raises_an_alarm_once_its_page_is_made_and_the_next_build_makes_all_anew(
    tmp_path: Path,
) -> None:
    site = Written(tmp_path / "site", posts=4)
    site.builds()
    # As if a change had passed the lists by. What is edited then makes the home page ask for its list again.
    site.sql("UPDATE key SET fingerprint = x'00' WHERE name LIKE 'posts:%'")
    site.post("p1", day=27, tags="jam", excerpt="Another beginning.").builds()
    assert "a change was missed: `posts:" in site.err

    site.builds()
    assert "This was the first build, as far as velobuild knows." in site.why("/p3/")
    assert site.builds("--verify")["verify"]["differences"] == []
    assert "VB9001" not in site.err


def test_a_file_that_somebody_else_changed_is_told_from_one_that_velobuild_missed(tmp_path: Path) -> None:
    site = Written(tmp_path / "site", posts=2)
    site.builds()
    file = site.root / "public" / "p1" / "index.html"
    file.write_bytes(file.read_bytes().replace(b"Body.", b"Mine."))
    loaded = load(None, directory=site.root, environment={})

    # Not the command: its build would mend the file first.
    (difference,) = verify(loaded, warn=lambda finding: None).differences

    assert "Mine." in difference.live
    assert "Body." in difference.clean
    assert any("somebody else changed" in line for line in difference.why)


def test_a_site_with_a_post_that_cannot_be_shown_is_not_compared(tmp_path: Path) -> None:
    site = Written(tmp_path / "site", posts=3)
    site.file("templates/post.html", "{{ post.title }}").builds()
    text = "{% if post.title == 'P1' %}{{ post.nothing }}{% endif %}{{ post.title }}"
    site.file("templates/post.html", text).builds()

    site.does("build", "--verify")

    assert site.code == 1
    assert "VB3001" in site.err


# Random edits of the example site.


def edit(site: Written, chance: random.Random) -> str:
    """One random edit; what it was."""
    contents = [edit_body, edit_body, retag, redate, delete, write, reslug, retitle]
    edits: list[Callable[[Written, random.Random], str]] = [
        *contents,
        edit_template,
        edit_page,
        edit_static,
        configure,
    ]
    return chance.choice(edits)(site, chance)


def posts_of(site: Written) -> list[Path]:
    return sorted((site.root / "posts").glob("*.md"))


def rewrite(site: Written, chance: random.Random, pattern: str, new: str) -> str:
    file = chance.choice(posts_of(site))
    text = file.read_text()
    file.write_text(re.sub(pattern, lambda found: new, text, count=1, flags=re.MULTILINE))
    return f"{file.name}: {new!r}"


def edit_body(site: Written, chance: random.Random) -> str:
    file = chance.choice(posts_of(site))
    head, _, body = file.read_text().rpartition("\n---\n")
    words = chance.choice(["A word more.", "## A heading\n\nMore.", "See [the list](/archive/).", "`code`"])
    file.write_text(f"{head}\n---\n{body}\n{words}\n" if chance.random() < 0.7 else f"{head}\n---\n{words}\n")
    return f"body of {file.name}"


def retag(site: Written, chance: random.Random) -> str:
    return rewrite(site, chance, r"^tags: .*$", f"tags: [{chance.choice(['Code', 'Kitchen, New', 'Bread', ''])}]")


def redate(site: Written, chance: random.Random) -> str:
    return rewrite(site, chance, r"^date: .*$", f"date: {chance.randint(2022, 2026)}-0{chance.randint(1, 9)}-03")


def retitle(site: Written, chance: random.Random) -> str:
    return rewrite(site, chance, r"^title: .*$", f"title: Another {chance.randint(1, 99)}")


def reslug(site: Written, chance: random.Random) -> str:
    return rewrite(site, chance, r"^slug: .*$", f"slug: another-{chance.randint(1, 5)}")


def delete(site: Written, chance: random.Random) -> str:
    file = chance.choice(posts_of(site))
    file.unlink()
    return f"without {file.name}"


def write(site: Written, chance: random.Random) -> str:
    name = f"new-{chance.randint(1, 99)}"
    site.post(name, f"Body of {name}.", day=chance.randint(1, 28), tags=chance.choice(["Code", "Kitchen"]))
    return f"new {name}"


def edit_template(site: Written, chance: random.Random) -> str:
    shipped = chance.choice(sorted((ROOT / "themes" / "plain" / "templates").glob("*.html")))
    note = chance.choice(["{# said #}", "<!-- shown -->"])
    site.file(f"templates/{shipped.name}", shipped.read_text() + note)
    return f"template {shipped.name} with {note}"


def edit_page(site: Written, chance: random.Random) -> str:
    site.file("pages/walk.md", f"---\ntitle: Walk {chance.randint(1, 9)}\n---\nTo [all](/archive/).\n")
    return "page walk"


def edit_static(site: Written, chance: random.Random) -> str:
    site.file("static/own.txt", str(chance.random()))
    return "static file"


def configure(site: Written, chance: random.Random) -> str:
    size = chance.choice(["5", "7", "10"])
    text = (site.root / "velobuild.toml").read_text()
    site.toml(re.sub(r"(\[pagination\]\nsize = )\d+", rf"\g<1>{size}", text))
    return f"pages of {size}"


@pytest.mark.slow
@pytest.mark.parametrize("seed", [3, *(pytest.param(seed, marks=pytest.mark.full) for seed in (5, 7, 11))])
def test_the_example_site_is_that_of_a_clean_build_after_every_step_of_a_random_walk(tmp_path: Path, seed: int) -> None:
    root = tmp_path / "site"
    shutil.copytree(ROOT / "example_site", root, ignore=shutil.ignore_patterns("cms", "*.py", "__pycache__"))
    shutil.copytree(ROOT / "example_site" / "cms" / "posts", root / "posts")
    text = (root / "velobuild.toml").read_text().replace('type = "velocms"', 'type = "folder"\npath = "posts"')
    guard = "\n[limits]\nshrink_percent = 100\nshrink_posts = 100\n"
    site = Written(root, posts=0).toml(text + guard)
    site.builds()
    chance = random.Random(seed)
    done: list[str] = []
    rendered: list[int] = []
    for _ in range(STEPS):
        done += [edit(site, chance) for _ in range(chance.randint(1, 2))]
        report = site.does("build", "--verify")
        assert site.code == 0, (done, site.err)
        assert report["verify"]["differences"] == [], done
        rendered.append(report["created"] + report["rewritten"])
    assert min(rendered) < report["verify"]["files"] / 2, "no step was small: nothing was updated, all was made anew"
