"""What templates can do and cannot do, and how a mistake in one is told."""

from __future__ import annotations

import gc
import json
import re
import weakref
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from markupsafe import Markup, escape

from tests.graph.rig import CONFIG, Blog, dated, page, post
from tests.render.stage import rendered, theme_of, themed, write
from velobuild.config.schema import SiteConfig
from velobuild.config.shipped import folder
from velobuild.errors import ContentProblem, Diagnostic, Severity
from velobuild.model.outputs import Target
from velobuild.model.reads import Field, Reads
from velobuild.render.renderers import Rendering
from velobuild.render.templates import escaped

HOSTILE = "\"><script>alert(1)</script>'&"


def shown(folder: Path, template: str, *, config: Any = CONFIG, **changes: Any) -> str:
    """What a post's page becomes with this template."""
    blog = themed(folder, {"post.html": template}, config=config).posts(post("tea", **changes))
    try:
        return rendered(blog, "tea/index.html")
    finally:
        blog.connection.close()


def problem(folder: Path, template: str, *, files: dict[str, str] | None = None, **changes: Any) -> Diagnostic:
    write(folder, files or {})
    with pytest.raises(ContentProblem) as failed:
        shown(folder, template, **changes)
    return failed.value.diagnostics[0]


# What is safe


@pytest.mark.parametrize("name", ["page.html", "page.txt", "page.html.j2", "page.json", "page"])
def test_values_are_escaped_whatever_a_templates_name(tmp_path: Path, name: str) -> None:
    blog = themed(tmp_path, {name: "{{ local.title }}"})
    blog.pages(page("about", title=HOSTILE, template=name))
    assert rendered(blog, "about/index.html") == "&#34;&gt;&lt;script&gt;alert(1)&lt;/script&gt;&#39;&amp;"


def test_what_is_put_out_is_escaped_as_markupsafe_escapes_it() -> None:
    own = type("Own", (), {"__html__": lambda self: "<b>"})()
    for value in (*map(chr, range(0x3000)), HOSTILE, "", Markup("<p>"), own, None, 3, ("<",)):
        assert escaped(value) == str(escape(value))


def test_control_without_escaping_the_title_would_be_script(tmp_path: Path) -> None:
    assert "<script>" in shown(tmp_path, "{{ post.title|safe }}", title=HOSTILE)


@pytest.mark.parametrize("text", ["{{7*7}}", "{% include 'x' %}", "{{ config }}", "{# gone #}"])
def test_c7_content_is_never_a_template(tmp_path: Path, text: str) -> None:
    made = shown(tmp_path, "{{ post.title }}|{{ post.content }}|{{ post.excerpt }}", title=text, body=f"<p>{text}</p>")
    assert made.replace("&#39;", "'").count(text) == 3
    assert "49" not in made


@pytest.mark.parametrize("expression", ["[1, 2]|random", "lipsum()"])
def test_what_gives_another_answer_each_time_does_not_exist(tmp_path: Path, expression: str) -> None:
    assert problem(tmp_path, f"{{{{ {expression} }}}}").code in {"VB3101", "VB3102"}


def test_site_and_page_are_no_globals_of_macros(tmp_path: Path) -> None:
    # Jinja keeps what an imported template has read of globals: `site` there would be that of the first page.
    macro = {"mine/templates/part.html": "{% macro where() %}{{ page.url }}{% endmacro %}"}
    found = problem(tmp_path, '{% from "part.html" import where %}{{ where() }}', files=macro)
    assert (found.code, found.what) == ("VB3102", "'page' is undefined")


def test_functions_are_there_in_macros(tmp_path: Path) -> None:
    blog = themed(
        tmp_path,
        {
            "part.html": "{% macro all() %}{{ theme.name }} {{ absolute('/x/') }} {{ t('tags') }}{% endmacro %}",
            "post.html": '{% from "part.html" import all %}{{ all() }} {{ config_flag("json_ld") }}',
        },
    ).posts(post("tea"))
    assert rendered(blog, "tea/index.html") == "mine https://garden.example/x/ Tags True"


def test_what_one_render_read_through_is_not_kept_for_the_next(tmp_path: Path) -> None:
    blog = themed(tmp_path, {"post.html": "{{ t('tags') }} {{ theme.name }}"}).posts(post("tea"))
    rendering = Rendering(blog.reader, theme_of(blog))
    assert rendering.file(blog.by_path()["tea/index.html"])[1] == b"Tags mine"
    kept = weakref.ref(rendering.templates)
    del rendering
    gc.collect()  # Jinja's environments refer to themselves.
    assert kept() is None


def test_json_in_a_script_cannot_end_it(tmp_path: Path) -> None:
    written = shown(tmp_path, "{{ {'t': post.title}|tojson }}", title="</script>")
    assert "</script>" not in written
    assert json.loads(written) == {"t": "</script>"}, "and it is read as what it was"


# Texts, dates, files


def languages(folder: Path, language: str) -> Blog:
    write(
        folder,
        {
            "mine/locales/en.toml": 'tea = "tea"\ncup = "{number} cups"\n',
            "mine/locales/de.toml": 'tea = "Tee"\n',
            "mine/locales/de-AT.toml": 'cup = "{number} Häferl"\n',
            "locales/de.toml": 'tea = "Mein Tee"\n',
        },
    )
    config = replace(CONFIG, site=SiteConfig(language=language))
    template = '{{ t("tea") }}, {{ t("cup", number=2) }}'
    return themed(folder, {"post.html": template}, config=config).posts(post("tea"))


@pytest.mark.parametrize(
    ("language", "text"),
    [("en", "tea, 2 cups"), ("de", "Mein Tee, 2 cups"), ("de-AT", "Mein Tee, 2 Häferl"), ("fr", "tea, 2 cups")],
)
def test_a_text_falls_back_from_region_to_language_to_english(tmp_path: Path, language: str, text: str) -> None:
    assert rendered(languages(tmp_path, language), "tea/index.html") == text


def test_a_text_that_nobody_has_is_named(tmp_path: Path) -> None:
    found = problem(tmp_path, '\n{{ t("teapot") }}')
    assert (found.code, found.what) == ("VB3102", "there is no text 'teapot' in any locale of the theme")
    assert found.where == 'mine/templates/post.html:2, rendering /tea/ (post "Tea", id tea)'


def test_texts_escape_the_values_that_they_show(tmp_path: Path) -> None:
    write(tmp_path, {"locales/en.toml": 'by = "by {name} & co"\n'})
    assert shown(tmp_path, '{{ t("by", name=post.title) }}', title="<b>") == "by &lt;b&gt; &amp; co"


@pytest.mark.parametrize(
    ("language", "date"),
    [("en", "May 3, 2026"), ("en-GB", "3 May 2026"), ("de", "3. Mai 2026"), ("de-AT", "3. Mai 2026"),
     ("ja", "2026年5月3日"), ("pt-BR", "3 de maio de 2026"), ("tlh", "May 3, 2026")],
)  # fmt: skip
def test_dates_are_in_the_sites_language(tmp_path: Path, language: str, date: str) -> None:
    config = replace(CONFIG, site=SiteConfig(language=language))
    assert shown(tmp_path, "{{ post.published|date }}", config=config) == date


def test_dates_are_in_the_sites_zone_with_its_offset(tmp_path: Path) -> None:
    config = replace(CONFIG, site=SiteConfig(timezone="Pacific/Kiritimati"))
    made = shown(tmp_path, "{{ post.published|date }} {{ post.published|isodate }}", config=config)
    assert made == "May 4, 2026 2026-05-04T02:00:00+14:00"


def test_a_static_file_is_named_by_its_content_below_the_sites_folder(tmp_path: Path) -> None:
    write(tmp_path, {"mine/static/css/a.css": "a {}"})
    config = replace(CONFIG, site=SiteConfig(base_url="https://garden.example/blog"))
    made = shown(tmp_path, "{{ asset('css/a.css') }}", config=config)
    assert made.startswith("/blog/assets/css/a.")
    assert made.endswith(".css")


def test_a_file_of_the_sites_own_whose_name_is_put_together_keeps_it_with_its_hash_behind(tmp_path: Path) -> None:
    write(tmp_path, {"static/img/post café?.svg": "x"})
    made = shown(tmp_path, "{{ asset('img/' ~ page.kind ~ ' café?.svg') }}")
    assert made == f"/img/post%20caf%C3%A9%3F.svg?v={sha256(b'x').hexdigest()[:10]}"


def test_a_static_file_that_is_missing_is_named_with_the_nearest(tmp_path: Path) -> None:
    write(tmp_path, {"mine/static/css/plain.css": "a {}"})
    found = problem(tmp_path, "{{ asset('css/plane.css') }}")
    assert found.what == "there is no static file 'css/plane.css' in the theme (did you mean css/plain.css?)"


# What each kind of page has


def test_every_kind_of_page_says_what_it_is(tmp_path: Path) -> None:
    says = "{{ page.kind }}|{{ page.title }}|{{ page.url }}|{{ page.noindex }}"
    names = ("home", "list", "post", "tag", "tags", "archive", "year", "page", "404", "redirect")
    blog = themed(tmp_path, {f"{name}.html": says for name in names})
    blog.posts(*dated(25, slug="old", tags=("Tea",))[:1], *dated(25, tags=("Tea",))[1:]).settle()
    blog.posts(*dated(25, tags=("Tea",))).pages(page("about"))
    wanted = {
        "index.html": "home|Garden|/|False",
        "page/1/index.html": "list|Garden|/page/1/|False",
        "p001/index.html": "post|P001|/p001/|False",
        "tags/tea/index.html": "tag|Tea|/tags/tea/|False",
        "tags/index.html": "tags|Garden|/tags/|False",
        "archive/index.html": "archive|Garden|/archive/|False",
        "archive/2026/index.html": "year|2026|/archive/2026/|False",
        "about/index.html": "page|About|/about/|False",
        "404.html": "404|Garden|/404.html|True",
        "old/index.html": "redirect|Garden|/old/|True",
    }
    assert {path: rendered(blog, path) for path in wanted} == wanted


def test_a_page_may_name_its_own_template(tmp_path: Path) -> None:
    blog = themed(tmp_path, {"wide.html": "wide {{ local.title }}"}).pages(page("about", template="wide.html"))
    assert rendered(blog, "about/index.html") == "wide About"


@pytest.mark.parametrize("name", ["../secret.html", "/etc/passwd", "../../velobuild.toml", "nowhere.html"])
def test_a_pages_template_lies_in_the_theme_or_nowhere(tmp_path: Path, name: str) -> None:
    write(tmp_path, {"mine/secret.html": "secret", "velobuild.toml": "secret"})
    blog = themed(tmp_path, {}).pages(page("about", template=name))
    with pytest.raises(ContentProblem) as failed:
        rendered(blog, "about/index.html")
    (found,) = failed.value.diagnostics
    assert (found.code, found.what) == ("VB3103", f"there is no template `{name}`")
    assert found.where == "theme mine, /about/"


# Mistakes


def test_an_unknown_field_is_told_with_place_post_line_and_the_nearest(tmp_path: Path) -> None:
    assert problem(tmp_path, "<h1>\n  {{ post.titel }}\n</h1>") == Diagnostic(
        "VB3102",
        "unknown field `post.titel`",
        where='mine/templates/post.html:2, rendering /tea/ (post "Tea", id tea)',
        hint="did you mean `title`? docs/themes.md lists the fields",
        severity=Severity.ERROR,
        excerpt="   2 |   {{ post.titel }}",
    )


def test_an_unknown_name_is_told_with_the_nearest(tmp_path: Path) -> None:
    found = problem(tmp_path, "{{ psot.title }}")
    assert (found.code, found.what, found.hint) == ("VB3102", "'psot' is undefined", "did you mean `post`?")


def test_a_name_of_another_page_is_told_with_what_this_one_has(tmp_path: Path) -> None:
    found = problem(tmp_path, "{{ pager.total }}")
    assert (found.what, found.hint) == ("'pager' is undefined", "did you mean `page`?")
    found = problem(tmp_path / "other", "{{ zzz }}")
    assert found.hint == "this page has: page, post, site"


def test_a_field_of_a_tag_in_an_included_file_is_told_at_its_own_place(tmp_path: Path) -> None:
    part = {"templates/part.html": "\n\n{% for tag in post.tags %}{{ tag.nam }}{% endfor %}"}
    found = problem(tmp_path, '{% include "part.html" %}', files=part, tags=("x",))
    assert (found.code, found.what) == ("VB3102", "unknown field `term.nam`")
    assert found.where == 'templates/part.html:3, rendering /tea/ (post "Tea", id tea)'
    assert found.hint == "did you mean `name`? docs/themes.md lists the fields"


@pytest.mark.parametrize("owner", ["site", "page", "post", "post.tags[0]"])
def test_every_field_that_a_hint_offers_is_documented(tmp_path: Path, owner: str) -> None:
    found = problem(tmp_path, f"{{{{ {owner}.zzzzzz }}}}", tags=("x",))
    offered = (found.hint or "").removeprefix("it has: ").split(", ")
    documented = (folder("docs") / "themes.md").read_text("utf-8")
    assert len(offered) > 3
    assert [name for name in offered if not re.search(rf"[`.]{name}[`(]", documented)] == []


def test_a_missing_field_of_extra_is_told(tmp_path: Path) -> None:
    assert problem(tmp_path, "{{ post.extra.subtitle }}").code == "VB3102"
    assert shown(tmp_path / "other", '{{ post.extra.get("subtitle") or "none" }}') == "none"


def test_a_syntax_error_is_told_with_its_line(tmp_path: Path) -> None:
    found = problem(tmp_path, "fine\n{% if post %}\nno end\n")
    assert (found.code, found.where) == ("VB3101", 'mine/templates/post.html:3, rendering /tea/ (post "Tea", id tea)')
    assert found.what.startswith("Unexpected end of template.")


def test_a_template_that_is_not_there_is_told_where_it_is_asked_for(tmp_path: Path) -> None:
    found = problem(tmp_path, '\n{% include "gone.html" %}')
    assert (found.code, found.what) == ("VB3103", "there is no template `gone.html`")
    assert found.where == 'mine/templates/post.html:2, rendering /tea/ (post "Tea", id tea)'
    assert str(found.hint).startswith(f"looked in {tmp_path}/templates, {tmp_path}/mine/templates, ")


@pytest.mark.parametrize(
    ("template", "what"),
    [
        ("\n{{ 1 // 0 }}", "ZeroDivisionError: integer division or modulo by zero"),
        ("\n{{ none|date }}", "AttributeError: 'NoneType' object has no attribute 'date'"),
        ('\n{{ t("main_menu", x=1).nope() }}', None),
    ],
)
def test_a_failure_is_told_with_its_line(tmp_path: Path, template: str, what: str | None) -> None:
    found = problem(tmp_path, template)
    assert found.code in {"VB3104", "VB3102"}
    assert what is None or (found.code, found.what) == ("VB3104", what)
    assert str(found.where).startswith("mine/templates/post.html:2, ")


def test_a_template_that_calls_itself_is_a_failure_and_no_crash(tmp_path: Path) -> None:
    found = problem(tmp_path, "{% macro again() %}{{ again() }}{% endmacro %}{{ again() }}")
    assert (found.code, found.what.partition(":")[0]) == ("VB3104", "RecursionError")


def test_a_mistake_in_a_file_of_any_ending_has_a_place(tmp_path: Path) -> None:
    blog = themed(tmp_path, {"card.txt": "\n{{ local.titel }}"}).pages(page("about", template="card.txt"))
    with pytest.raises(ContentProblem) as failed:
        rendered(blog, "about/index.html")
    (found,) = failed.value.diagnostics
    assert (found.what, found.where) == ("unknown field `page.titel`", "mine/templates/card.txt:2, /about/")


def test_a_target_of_a_post_that_is_gone_is_told(tmp_path: Path) -> None:
    blog = themed(tmp_path, {})
    with pytest.raises(ContentProblem):
        list(
            Rendering(blog.reader, theme_of(blog)).file(Target("x", "/x", "post", "template", "post.html", {"id": "x"}))
        )


def test_a_post_that_a_template_prints_by_mistake_prints_no_place_in_memory(tmp_path: Path) -> None:
    assert (
        shown(tmp_path, "{{ post }} {{ site.posts }} {{ site }}")
        == "&lt;post tea&gt; &lt;a selection of posts&gt; &lt;the site&gt;"
    )


def test_white_space_of_a_line_that_holds_a_tag_alone_goes(tmp_path: Path) -> None:
    assert shown(tmp_path, "a\n  {% if true %}\nb\n  {% endif %}\nc", config=CONFIG) == "a\nb\nc"


@pytest.mark.parametrize(
    ("template", "fields"),
    [
        ("empty", None),
        ("{{ page.title }}", Field.TITLE),
        ("{{ page.description }}", Field.SEO | Field.EXCERPT),
        ("{{ page.image }}", Field.COVER | Field.PICTURE),
        ("{{ page.published }}{{ page.updated }}", Field.PUBLISHED | Field.UPDATED),
    ],
)
def test_a_page_has_read_of_its_post_what_the_template_asked_of_either(
    tmp_path: Path, template: str, fields: Field | None
) -> None:
    blog = themed(tmp_path, {"post.html": template}).posts(post("tea"))
    rendering = Rendering(blog.reader, theme_of(blog))
    rendering.reader.begin()
    rendering.file(blog.by_path()["tea/index.html"])
    reads = rendering.reader.taken()
    blog.connection.close()
    read = ((1, int(fields)),) if fields else ()  # a post of which nothing is asked is not read
    assert reads == Reads(read, (), frozenset({"template:post.html"}))
