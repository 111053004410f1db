"""Answers → pages: the Jinja environment of a theme chain, and errors that name template, line and post."""

from __future__ import annotations

import difflib
import re
import traceback
from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache
from types import CodeType, SimpleNamespace
from typing import Any
from urllib.parse import quote

import jinja2
from jinja2.bccache import Bucket
from markupsafe import Markup, escape

from velobuild.errors import ContentProblem
from velobuild.graph.answers import in_locale
from velobuild.graph.languages import Versions
from velobuild.graph.posts import PostView
from velobuild.graph.reader import Reader
from velobuild.graph.views import Pager, PageView, SiteView, YearView
from velobuild.model.keys import Query
from velobuild.model.locales import plain_tag, year_of_value
from velobuild.model.outputs import Target
from velobuild.model.reads import Reads
from velobuild.render.dates import long_date
from velobuild.render.drafts import as_preview, banner_text
from velobuild.render.formats import isodate, language_name
from velobuild.render.hints import nearest_name, shown_file, source_line, unknown_field
from velobuild.render.theme import Theme

# What markupsafe replaces.
TO_ESCAPE = re.compile("[&<>'\"]")
# Different at each call, so no two builds would agree.
NOT_REPRODUCIBLE = ("random",)
FRAGMENTS_KEPT = 20_000
# How compiled templates say where they import a name. The beginning of a line is never a template's own text.
IMPORTED_ON = re.compile(r"^(\s*l_\d+_\w+ = undefined\(f\"the template [^(]*)\(imported on line \d+\)")
OWN_FILTERS = ("date", "isodate", "language_name")
SYNTAX: Mapping[str, Any] = {"trim_blocks": True, "lstrip_blocks": True}
COMPILED_KEPT = 500


def escaped(value: Any) -> str:
    """What `escape` gives, without a new object for what has nothing to escape: nearly every value of a page."""
    if type(value) is Markup or (type(value) is str and TO_ESCAPE.search(value) is None):
        return value
    return escape(value)


class _Template(jinja2.Template):
    """Jinja keeps the module of a template that is imported without context, and with it what its making read: the
    second page would use it without having read anything. So a module is kept only where its making read templates and
    static files alone, for pages in one language, and each page that uses it has then read those."""

    @classmethod
    def from_code(cls, environment: Any, code: CodeType, globals: Any, uptodate: Any = None) -> jinja2.Template:
        template = super().from_code(environment, code, globals, uptodate)
        # Compiled templates escape what they put out with this name, and with no other.
        template.root_render_func.__globals__["escape"] = escaped
        return template

    def _get_default_module(self, ctx: Any = None) -> Any:
        environment = self.environment
        assert isinstance(environment, _Environment)
        name = (self.name or "", environment.language)
        kept = environment.modules.get(name)
        if kept is None:
            module, reads = environment.reader.apart(self.make_module)
            if not reads.posts and not reads.queries and not reads.live:
                environment.modules[name] = (module, reads.keys)
            return module
        module, keys = kept
        environment.reader.saw_all(keys)
        return module


class _Compiled(jinja2.BytecodeCache):
    """The code of the templates that this process compiled, by name and a hash of the source. An environment lives for
    one build; compiling again is the greatest part of rendering a single page."""

    def __init__(self) -> None:
        self._codes: dict[tuple[str, str], CodeType | None] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        bucket.code = self._codes.get((bucket.key, bucket.checksum))

    def dump_bytecode(self, bucket: Bucket) -> None:
        if len(self._codes) >= COMPILED_KEPT:  # Somebody has been editing templates all day.
            self._codes.clear()
        self._codes[bucket.key, bucket.checksum] = bucket.code


# For every environment, since all of them have the options of `SYNTAX`; nothing else changes what a source becomes.
_compiled = _Compiled()


class _Environment(jinja2.Environment):
    """Notes each template that a page asks for, whether it is there or not: extends, include and import pass here."""

    template_class = _Template

    def __init__(self, reader: Reader, **options: Any) -> None:
        super().__init__(**options)
        self.reader = reader
        self.language = reader.site.config.site.language
        self.modules: dict[tuple[str, str], tuple[Any, frozenset[str]]] = {}
        self._loaded: dict[str, tuple[str, jinja2.Template]] = {}

    def get_template(self, name: Any, parent: str | None = None, globals: Any = None) -> jinja2.Template:
        if not isinstance(name, str):
            return super().get_template(name, parent, globals)
        key, template = self._loaded.get(name) or (template_key(name), None)
        self.reader.saw(key)
        if template is None:
            template = super().get_template(name, parent, globals)
            self._loaded[name] = key, template
        return template

    def make_globals(self, d: Any) -> Any:
        """The environment's own, which nobody changes for a single template: Jinja's chain of two costs each page."""
        return self.globals

    def select_template(self, names: Any, parent: str | None = None, globals: Any = None) -> jinja2.Template:
        if isinstance(names, jinja2.Undefined) or not names:
            return super().select_template(names, parent, globals)
        for name in names:
            try:
                return self.get_template(name, parent, globals)
            except jinja2.TemplateNotFound:
                continue
        raise jinja2.TemplatesNotFound(list(names))


def template_key(name: str) -> str:
    """The key of a template in the trace."""
    return f"template:{name}"


def asset_key(name: str) -> str:
    """The key of a static file, as a template names it."""
    return f"asset:{name}"


@lru_cache(maxsize=COMPILED_KEPT)  # A clean build beside this one, to verify it, asks for the same.
def compiled(source: str) -> str | None:
    """The Python that a template becomes, without comments and the numbers of lines; None for a broken one."""
    environment = jinja2.Environment(autoescape=True, **SYNTAX)
    environment.filters.update(dict.fromkeys(OWN_FILTERS, str))  # by name: a template that uses one would be broken
    try:
        code = environment.compile(source, raw=True)
    except jinja2.TemplateSyntaxError:
        return None
    lines = (IMPORTED_ON.sub(r"\1", line) for line in str(code).splitlines() if not line.startswith("debug_info = "))
    return "\n".join(lines)


class Templates:
    """Renders targets through one theme chain. One per process: compiled templates are kept."""

    def __init__(self, theme: Theme, reader: Reader) -> None:
        self._theme = theme
        self._reader = reader
        environment = _Environment(
            reader,
            loader=jinja2.FileSystemLoader(theme.template_folders),
            # Escaped whatever the file's name: content is hostile, and a theme must not decide by a suffix.
            autoescape=True,
            undefined=jinja2.StrictUndefined,
            auto_reload=False,
            cache_size=-1,
            bytecode_cache=_compiled,
            **SYNTAX,
        )
        for name in NOT_REPRODUCIBLE:
            environment.filters.pop(name, None)
        environment.globals.pop("lipsum", None)
        environment.filters.update(date=self._date, isodate=isodate, language_name=language_name)
        # Functions alone: `site` and `page` go into the context, since Jinja caches what a module sees of globals.
        environment.globals.update(
            t=self._text,
            asset=self._asset,
            absolute=reader.site.absolute,
            theme=SimpleNamespace(name=theme.name, options=SimpleNamespace(**theme.options)),
            config_flag=self._flag,
            posts_of=self._posts_of,
            fragment=self._fragment,
        )
        self._environment = environment
        self._site, self._locale = SiteView(reader, ""), reader.site.locales.default
        self._fragments: dict[tuple[str, str, str | None], tuple[Markup, Reads]] = {}
        # Its own, not a cache of the class: that would keep this build's reader for the next builds of the process.
        self._texts: dict[tuple[str, str], str] = {}

    def render(self, target: Target) -> bytes:
        """The page of a target. Raises ContentProblem VB3101 to VB3104, with the template's place and the post."""
        assert target.template is not None
        context: dict[str, Any] = {}
        try:
            context.update(self._context(target))
            text = self._environment.get_template(target.template).render(context)
            if self._reader.site.preview_at is not None:
                text = as_preview(text, banner_text(context.get("post"), at=self._reader.site.preview_at))
        except ContentProblem:
            raise
        except Exception as error:
            raise self._problem(error, target, context) from error
        return text.encode("utf-8", "replace")

    def _context(self, target: Target) -> dict[str, Any]:
        reader, params = self._reader, target.params
        locale = params.get("locale", reader.site.locales.default)
        self._site, self._locale = SiteView(reader, target.url, locale), locale
        self._environment.language = self._site.language
        context: dict[str, Any] = {"site": self._site}
        about: dict[str, Any] = {}
        if target.route == "post":
            context["post"] = about["_post"] = reader.require_post(params["id"])
        elif target.route in {"home", "list", "tag", "year"}:
            context.update(self._of_list(params, locale))
            if target.route == "tag":
                context["tag"] = term = reader.term(params["tag"])
                about["_title"] = term.name if term else plain_tag(params["tag"])
            elif target.route == "year":
                own, year = year_of_value(params["year"])
                context["year"] = reader.year(year, own)
                about["_title"] = str(year)
        elif target.route == "page":
            context["local"] = local = reader.local_page(params["id"])
            about = {"_title": local.title, "_description": local.description}
        elif target.route == "redirect":
            context["target_url"] = params["target_url"]
            about["noindex"] = True
        elif target.route == "404":
            about["noindex"] = True
        if locale:
            about["_versions"] = Versions(reader, locale, target.route, params)
        kind: Any = target.route
        context["page"] = PageView(kind, target.url, reader.site.absolute(target.url), self._site, **about)
        return context

    def _of_list(self, params: Mapping[str, Any], locale: str) -> dict[str, Any]:
        where: Any = tuple((name, params[name]) for name in ("tag", "year") if name in params)
        where = where or in_locale(locale)
        shown = Query(where=where, order="oldest", limit=params["limit"], offset=params["start"])
        pager = Pager(
            params["number"],
            params["newer_url"],
            params["older_url"],
            params["newest_url"],
            params["oldest_url"],
            self._reader,
            where,
            params["size"],
        )
        return {"posts": self._reader.posts(shown)[::-1], "pager": pager}

    # What templates may call.

    def _text(self, key: str, **values: object) -> str:
        named = key, self._environment.language
        text = self._texts.get(named)
        if text is None:
            text = self._texts[named] = self._found(*named)
        return text.format(**values) if values else text

    def _found(self, key: str, language: str) -> str:
        for name in dict.fromkeys((language, language.partition("-")[0], "en")):
            text = self._theme.texts.get(name, {}).get(key)
            if text is not None:
                return text
        raise jinja2.UndefinedError(f"there is no text '{key}' in any locale of the theme")

    def _asset(self, name: str) -> str:
        self._reader.saw(asset_key(name))
        site, static, own = self._reader.site, self._theme.assets.get(name), self._theme.verbatim.get(name)
        if static is None and own is not None:  # No template names it in full: the name was put together just now.
            return site.url_of(f"/{quote(own.path)}?v={own.sha256[:10]}")
        if static is None:
            near = difflib.get_close_matches(name, {**self._theme.assets, **self._theme.verbatim}, 1)
            meant = f" (did you mean {near[0]}?)" if near else ""
            raise jinja2.UndefinedError(f"there is no static file '{name}' in the theme{meant}")
        return site.url_of(f"/{static.path}")

    def _fragment(self, name: str, post: PostView | None = None) -> Markup:
        """A template that sees `site` and, if one is given, `post`, and nothing else of the page: made once for all
        pages that show it. Each of them has then read what it read."""
        key = (self._locale, name, post.id if post is not None else None)
        kept = self._fragments.get(key)
        if kept is None:
            kept = self._fragments[key] = self._reader.apart(lambda: self._made_apart(name, key[2]))
            if len(self._fragments) > FRAGMENTS_KEPT:
                self._fragments.pop(next(iter(self._fragments)))
        else:
            self._reader.read_again(kept[1])
        return kept[0]

    def _made_apart(self, name: str, post_id: str | None) -> Markup:
        context: dict[str, Any] = {"site": SiteView(self._reader, "", self._locale)}
        if post_id is not None:
            context["post"] = self._reader.require_post(post_id)
        return Markup(self._environment.get_template(name).render(context))  # noqa: S704 - it escapes like any template

    def _flag(self, name: str) -> bool:
        seo = self._reader.site.config.seo
        flags = {"json_ld": seo.json_ld, "open_graph": seo.open_graph}
        if name not in flags:
            raise jinja2.UndefinedError(f"there is no flag '{name}': json_ld, open_graph")
        return flags[name]

    def _posts_of(self, year: YearView | int) -> list[Any]:
        number = year.year if isinstance(year, YearView) else year
        return list(self._site.posts.where(year=number))

    def _date(self, moment: datetime) -> str:
        return long_date(moment.date().toordinal(), self._environment.language)

    # Errors.

    def _problem(self, error: Exception, target: Target, context: Mapping[str, Any]) -> ContentProblem:
        post = context.get("post")
        whose = (
            f', rendering {target.url} (post "{post.title}", id {post.id})' if post is not None else f", {target.url}"
        )
        file, line = _place(error, self._theme)
        where = f"{shown_file(file, self._theme)}:{line}{whose}" if file else f"theme {self._theme.name}{whose}"
        excerpt = source_line(file, line)
        if isinstance(error, jinja2.TemplateNotFound):
            return ContentProblem(
                f"there is no template `{error.name}`",
                code="VB3103",
                where=where,
                excerpt=excerpt,
                hint="looked in " + ", ".join(str(place) for place in self._theme.template_folders),
            )
        if isinstance(error, jinja2.TemplateSyntaxError):
            return ContentProblem(f"{error.message}", code="VB3101", where=where, excerpt=excerpt)
        if isinstance(error, jinja2.UndefinedError):
            return ContentProblem(
                unknown_field(str(error)),
                code="VB3102",
                where=where,
                excerpt=excerpt,
                hint=nearest_name(error, context),
            )
        return ContentProblem(
            f"{type(error).__name__}: {error}",
            code="VB3104",
            where=where,
            excerpt=excerpt,
            hint="the template asks for something that this page cannot give",
        )


def _place(error: Exception, theme: Theme) -> tuple[str | None, int]:
    """The innermost template line of an error: the last frame that belongs to a template, whatever its ending."""
    if isinstance(error, jinja2.TemplateSyntaxError):
        return error.filename, error.lineno
    folders = tuple(f"{place}/" for place in theme.template_folders)
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename.startswith(folders)]
    return (frames[-1].filename, frames[-1].lineno or 0) if frames else (None, 0)
