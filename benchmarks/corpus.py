"""A made-up blog, the same for every tool and on every machine: N posts of about 6 KB of HTML.

Each has three to five headings' worth of prose with links to other posts and to elsewhere, two lists, a table, a
picture, a block of code, and one to five of 200 tags. Written as HTML and as Markdown: as the content files that each
tool reads, and as the answers of a CMS (one post a line).
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from contextlib import contextmanager
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
Block = tuple[str, str]
"""A piece of a body as HTML and as Markdown."""


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


def _paragraph(chance: random.Random, count: int, links: int, post_count: int) -> Block:
    words = _words(chance, count)
    words[0] = words[0].capitalize()
    marked = list(words)
    for number, place in enumerate(chance.sample(range(1, count - 1), 3 + links)):
        word = words[place]
        if number < 3:
            tag, mark = (("strong", "**"), ("em", "*"), ("code", "`"))[number]
            word += "()" if tag == "code" else ""
            words[place], marked[place] = f"<{tag}>{word}</{tag}>", f"{mark}{word}{mark}"
        else:
            inside = f"/posts/post-{chance.randrange(post_count):06d}/"
            url = inside if number % 2 else f"{ELSEWHERE}/{word}?a=1"
            words[place], marked[place] = f'<a href="{url}">{word} {word}</a>', f"[{word} {word}]({url})"
    for place in range(11, count - 1, 12):
        words[place] += "."
        marked[place] += "."
    return f"<p>{' '.join(words)}.</p>", f"{' '.join(marked)}."


def _heading(chance: random.Random, level: int) -> Block:
    title = _phrase(chance, 4).capitalize()
    return f'<h{level} id="{title.lower().replace(" ", "-")}">{title}</h{level}>', f"{'#' * level} {title}"


def _list(chance: random.Random, tag: str, count: int) -> Block:
    items = [_phrase(chance, 8) for _ in range(count)]
    marks = [f"{number}." if tag == "ol" else "-" for number in range(1, count + 1)]
    inner = "\n".join(f"<li>{item}</li>" for item in items)
    return f"<{tag}>\n{inner}\n</{tag}>", "\n".join(map(" ".join, zip(marks, items, strict=True)))


def _code(chance: random.Random) -> Block:
    lines: list[str] = []
    for number in range(5):
        name, given, other = _words(chance, 3)
        lines += [
            f"def {name}_{number}({given}, {other}=None):",
            f'    """{_phrase(chance, 5)} & <{name}>."""',
            f"    if {given} is not {other} and {number} < len({given}):",
            f"        return [{given}[{number}], '{other}', {number}.5]  # {name}",
        ]
    text = "\n".join(lines)
    html = f'<pre><code class="language-python">{escape(text, quote=False)}\n</code></pre>'
    return html, f"```python\n{text}\n```"


def _table(chance: random.Random) -> Block:
    head, *rows = [_words(chance, 4) for _ in range(5)]
    heads = "".join(f"<th>{word}</th>\n" for word in head)
    body = "".join("<tr>\n" + "".join(f"<td>{word}</td>\n" for word in row) + "</tr>\n" for row in rows)
    html = f"<table>\n<thead>\n<tr>\n{heads}</tr>\n</thead>\n<tbody>\n{body}</tbody>\n</table>"
    return html, "\n".join(f"| {' | '.join(row)} |" for row in (head, ["---"] * 4, *rows))


def _picture(chance: random.Random, number: int) -> Block:
    url, alt = f"{ELSEWHERE}/media/img-{number % PICTURES:02d}.jpg", _phrase(chance, 3)
    return f'<p><img src="{url}" alt="{alt}"></p>', f"![{alt}]({url})"


def _blocks(number: int, post_count: int, revision: int) -> list[Block]:
    chance = random.Random(number * 1_000_003 + 17 + revision)
    picture = _picture(chance, number)
    return [
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


def body(number: int, post_count: int, revision: int = 0) -> str:
    """The HTML of one post; another `revision` is another text."""
    return "\n".join(html for html, _ in _blocks(number, post_count, revision)) + "\n"


def markdown(number: int, post_count: int, revision: int = 0) -> str:
    """The same text as Markdown."""
    return "\n\n".join(text for _, text in _blocks(number, post_count, revision)) + "\n"


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


def content_file(post: dict[str, Any], body: str | None = None) -> str:
    """The same post as Hugo and Eleventy read it: front matter, then the body, which is the HTML if none is given."""
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
    return f"---\n{lines}---\n\n{post['content_html'] if body is None else body}"


def pelican_file(post: dict[str, Any], body: str) -> str:
    """The same post as Pelican reads it."""
    front = {
        "Title": post["title"],
        "Date": post["published_at"],
        "Slug": post["slug"],
        "Author": post["author"],
        "Summary": post["excerpt"],
        "Tags": ", ".join(post["tags"]),
    }
    return "".join(f"{name}: {value}\n" for name, value in front.items()) + f"\n{body}"


def posts(post_count: int) -> Iterator[dict[str, Any]]:
    return (post(number, post_count) for number in range(post_count))


def write(folder: Path, post_count: int) -> None:
    """HTML for Hugo (`html/posts`) and for velobuild (`posts.json`); what is there and finished is left as it is."""
    with _once(folder, "html") as files:
        if files is None:
            return
        with (folder / "posts.json").open("w", encoding="utf-8") as answers:
            for one in posts(post_count):
                (files / f"{one['slug']}.html").write_text(content_file(one), "utf-8")
                answers.write(json.dumps(one) + "\n")


def write_markdown(folder: Path, post_count: int) -> None:
    """Markdown for Hugo and Eleventy (`markdown/posts`), Pelican (`pelican/…`), velobuild (`posts-markdown.json`)."""
    with _once(folder, "markdown") as files, _once(folder, "pelican") as others:
        if files is None or others is None:
            return
        with (folder / "posts-markdown.json").open("w", encoding="utf-8") as answers:
            for number, one in enumerate(posts(post_count)):
                text = markdown(number, post_count)
                (files / f"{one['slug']}.md").write_text(content_file(one, text), "utf-8")
                (others / f"{one['slug']}.md").write_text(pelican_file(one, text), "utf-8")
                del one["content_html"]
                answers.write(json.dumps({**one, "content_markdown": text}) + "\n")


@contextmanager
def _once(folder: Path, form: str) -> Iterator[Path | None]:
    """The folder for the files of one form; None if they were finished before."""
    done = folder / f"complete-{form}"
    if done.exists():
        yield None
        return
    files = folder / form / "posts"
    files.mkdir(parents=True, exist_ok=True)
    yield files
    done.touch()
