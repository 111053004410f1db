"""A made-up blog, the same for every tool and on every machine: N posts of about 6 KB of HTML.

Each has three to five headings' worth of prose with links to other posts and to elsewhere, two lists, a table, a
picture, a block of code, and one to five of 200 tags. Written as Hugo's content files (`html/posts/*.html`) and as the
answers of a CMS (`posts.json`, one post a line).
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from html import escape
from pathlib import Path
from typing import Any

SPELLED = "ba ce di fo gu la me ni po ru sa te vi zo ka le mi no pu ra se ti vo xa be co du fi"
SYLLABLES = SPELLED.split()
FIRST = datetime(2016, 1, 1, 8, tzinfo=UTC)
ELSEWHERE = "https://elsewhere.example"
PICTURES = 40
TAG_COUNT = 200


def _vocabulary() -> list[str]:
    chance = random.Random(7)
    words = sorted(
        {"".join(chance.choice(SYLLABLES) for _ in range(chance.choice((1, 2, 2, 3, 3, 4)))) for _ in range(1500)}
    )
    chance.shuffle(words)
    return words


WORDS = _vocabulary()
TAGS = [f"{WORDS[number]}-{number}" for number in range(TAG_COUNT)]
AUTHORS = [f"{WORDS[300 + number].title()} {WORDS[400 + number].title()}" for number in range(12)]


def _words(chance: random.Random, count: int) -> list[str]:
    return [chance.choice(WORDS) for _ in range(count)]


def _phrase(chance: random.Random, count: int) -> str:
    return " ".join(_words(chance, count))


def _paragraph(chance: random.Random, count: int, links: int, post_count: int) -> str:
    words = _words(chance, count)
    words[0] = words[0].capitalize()
    for number, place in enumerate(chance.sample(range(1, count - 1), 3 + links)):
        word = words[place]
        if number < 3:
            tag = ("strong", "em", "code")[number]
            words[place] = f"<{tag}>{word}{'()' if tag == 'code' else ''}</{tag}>"
        else:
            inside = f"/posts/post-{chance.randrange(post_count):06d}/"
            url = inside if number % 2 else f"{ELSEWHERE}/{word}?a=1"
            words[place] = f'<a href="{url}">{word} {word}</a>'
    for place in range(11, count - 1, 12):
        words[place] += "."
    return f"<p>{' '.join(words)}.</p>"


def _heading(chance: random.Random, level: int) -> str:
    title = _phrase(chance, 4).capitalize()
    return f'<h{level} id="{title.lower().replace(" ", "-")}">{title}</h{level}>'


def _list(chance: random.Random, tag: str, count: int) -> str:
    items = "\n".join(f"<li>{_phrase(chance, 8)}</li>" for _ in range(count))
    return f"<{tag}>\n{items}\n</{tag}>"


def _code(chance: random.Random) -> str:
    lines: list[str] = []
    for number in range(5):
        name, given, other = _words(chance, 3)
        lines += [
            f"def {name}_{number}({given}, {other}=None):",
            f'    """{_phrase(chance, 5)} & <{name}>."""',
            f"    if {given} is not {other} and {number} < len({given}):",
            f"        return [{given}[{number}], '{other}', {number}.5]  # {name}",
        ]
    text = escape("\n".join(lines), quote=False)
    return f'<pre><code class="language-python">{text}\n</code></pre>'


def _table(chance: random.Random) -> str:
    head, *rows = [_words(chance, 4) for _ in range(5)]
    heads = "".join(f"<th>{word}</th>\n" for word in head)
    body = "".join("<tr>\n" + "".join(f"<td>{word}</td>\n" for word in row) + "</tr>\n" for row in rows)
    return f"<table>\n<thead>\n<tr>\n{heads}</tr>\n</thead>\n<tbody>\n{body}</tbody>\n</table>"


def body(number: int, post_count: int, revision: int = 0) -> str:
    """The HTML of one post; another `revision` is another text."""
    chance = random.Random(number * 1_000_003 + 17 + revision)
    picture = f'<p><img src="{ELSEWHERE}/media/img-{number % PICTURES:02d}.jpg" alt="{_phrase(chance, 3)}"></p>'
    parts = [
        _paragraph(chance, 60, 1, post_count),
        _heading(chance, 2),
        _paragraph(chance, 90, 1, post_count),
        _list(chance, "ul", 5),
        _heading(chance, 3),
        _paragraph(chance, 90, 2, post_count),
        _code(chance),
        _heading(chance, 2),
        _paragraph(chance, 80, 1, post_count),
        _table(chance),
        picture,
        _heading(chance, 2),
        _paragraph(chance, 90, 1, post_count),
        _paragraph(chance, 90, 0, post_count),
        _list(chance, "ol", 3),
    ]
    return "\n".join(parts) + "\n"


def post(number: int, post_count: int, revision: int = 0) -> dict[str, Any]:
    """One post as a CMS gives it."""
    chance = random.Random(number * 7919 + 3)
    at = FIRST + timedelta(minutes=37 * number)
    return {
        "id": f"id{number:06d}",
        "slug": f"post-{number:06d}",
        "title": _phrase(chance, 6).capitalize(),
        "published_at": at.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "updated": (at + timedelta(days=1 + revision)).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "author": chance.choice(AUTHORS),
        "tags": sorted(chance.sample(TAGS, chance.randint(1, 5))),
        "excerpt": _phrase(chance, 25).capitalize() + ".",
        "content_html": body(number, post_count, revision),
    }


def content_file(post: dict[str, Any]) -> str:
    """The same post as Hugo reads it: front matter, then the body."""
    front = {
        "title": post["title"],
        "date": post["published_at"],
        "lastmod": post["updated"],
        "slug": post["slug"],
        "author": post["author"],
        "description": post["excerpt"],
        "tags": post["tags"],
    }
    lines = "".join(f"{name}: {json.dumps(value)}\n" for name, value in front.items())
    return f"---\n{lines}---\n\n{post['content_html']}"


def posts(post_count: int) -> Iterator[dict[str, Any]]:
    return (post(number, post_count) for number in range(post_count))


def write(folder: Path, post_count: int) -> None:
    """Write both forms into a new folder; a finished one is left as it is."""
    done = folder / "complete"
    if done.exists():
        return
    files = folder / "html" / "posts"
    files.mkdir(parents=True, exist_ok=True)
    with (folder / "posts.json").open("w", encoding="utf-8") as answers:
        for one in posts(post_count):
            (files / f"{one['slug']}.html").write_text(content_file(one), "utf-8")
            answers.write(json.dumps(one) + "\n")
    done.touch()
