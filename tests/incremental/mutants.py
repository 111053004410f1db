"""Copies of velobuild that forget one thing each, and the life that each of them spoils."""

from __future__ import annotations

from dataclasses import dataclass

NOTHING = "pass"


@dataclass(frozen=True, slots=True)
class Mutant:
    """`text` stands once in `file`; with `other` in its place velobuild forgets what `name` says.

    A call without its name is a tuple that does nothing: so what is said to the user may change, and the mutant stays.
    """

    name: str
    life: str
    file: str
    text: str
    other: str


READS, ANSWERS, TRACE = "velobuild/model/reads.py", "velobuild/graph/answers.py", "velobuild/graph/trace.py"
INVALIDATE, TEMPLATES = "velobuild/graph/invalidate.py", "velobuild/render/templates.py"
PERMALINKS, TALLIES, STORE = (
    "velobuild/content/permalinks.py",
    "velobuild/content/tallies.py",
    "velobuild/content/store.py",
)
REST = "velobuild/pipeline/rest.py"
TRACING, USES, ASSETS = "velobuild/pipeline/tracing.py", "velobuild/media/uses.py", "velobuild/content/assets.py"

MUTANTS = (
    Mutant(
        "the facets of the new image only",
        "a_post_leaves_a_tag",
        READS,
        "    old = before.facets if before else frozenset()",
        "    old = frozenset()",
    ),
    Mutant(
        "the difference where the union is due",
        "a_post_moves_within_its_tag",
        READS,
        "    return Touched(old | new | own, old | new, times)",
        "    return Touched(old ^ new | own, old ^ new, times)",
    ),
    Mutant(
        "the moment at which a post stood",
        "a_post_moves_to_another_year",
        READS,
        "for image in (before, after) if image is not None})\n    own",
        "for image in (after or before,) if image is not None})\n    own",
    ),
    Mutant(
        "that a query has more conditions than the one it is registered under",
        "a_post_gets_the_second_of_two_tags",
        ANSWERS,
        "prints = [Footprint(facet, low, high, several)]",
        "prints = [Footprint(facet, low, high)]",
    ),
    Mutant(
        "that a window reaches to its last post",
        "a_post_arrives_within_a_filled_window",
        ANSWERS,
        "last = self._queries.sort_at(ids[-1])",
        "last = self._queries.sort_at(ids[0])",
    ),
    Mutant(
        "that a window that is not full is open",
        "an_older_post_arrives_where_there_are_few",
        ANSWERS,
        "or len(ids) < query.limit or not ids",
        "or not ids",
    ),
    Mutant(
        "to move a window along with its answer",
        "a_window_opens_and_a_post_arrives_in_it",
        TRACE,
        '        self._connection.execute("DELETE FROM footprint WHERE key = ?", (id,))\n'
        "        self._store_footprints(id, answer)\n",
        "",
    ),
    Mutant(
        "that a post's own tags decide what is related",
        "a_post_without_tags_gets_one",
        ANSWERS,
        'prints = [Footprint(f"id={post_id}")]',
        "prints: list[Footprint] = []",
    ),
    Mutant(
        "that posts of the same tags decide what is related",
        "a_post_comes_to_share_tags",
        ANSWERS,
        'prints.append(Footprint(f"tag={tag}", low or "", several=True))',
        "pass",
    ),
    Mutant(
        "to note a template that is absent",
        "a_template_that_was_absent_appears",
        TEMPLATES,
        """        self.reader.saw(key)
        if template is None:
            template = super().get_template(name, parent, globals)
""",
        """        if template is None:
            template = super().get_template(name, parent, globals)
        self.reader.saw(key)
        if template is not None:
""",
    ),
    Mutant(
        "to note the templates that a list of names passed over",
        "the_first_of_several_templates_appears",
        TEMPLATES,
        "                return self.get_template(name, parent, globals)\n",
        "                super().get_template(name, parent, globals)\n"
        "                return self.get_template(name, parent, globals)\n",
    ),
    Mutant(
        "the posts beside one that came or went",
        "a_post_is_published_between_two",
        INVALIDATE,
        "self._neighbours(num, old, new, ",
        "(num, old, new, ",
    ),
    Mutant(
        "the posts beside the place that a post left",
        "a_post_moves_from_between_two",
        INVALIDATE,
        "        for image in (old, new):\n            if image is None:",
        "        for image in (new,):\n            if image is None:",
    ),
    Mutant(
        "links to what moved",
        "a_link_to_a_post_that_moves",
        INVALIDATE,
        "self._links(names | self._years())",
        "self._links(self._years())",
    ),
    Mutant(
        "links to the list of a year",
        "a_link_to_a_year_that_comes_and_goes",
        INVALIDATE,
        "self._links(names | self._years())",
        "self._links(names)",
    ),
    Mutant(
        "that a year went or came without an address of a post",
        "a_page_that_links_to_a_year_that_comes_and_goes",
        INVALIDATE,
        "                    self.changed.moved = True\n",
        "",
    ),
    Mutant(
        "whose tag is called otherwise now",
        "a_tag_is_written_otherwise_by_most",
        INVALIDATE,
        "self._mark(id, Field.TAGS, ",
        "(id, Field.TAGS, ",
    ),
    Mutant(
        "whose body shows a file",
        "a_picture_of_a_body_arrives",
        INVALIDATE,
        "self._mark(id, Field.CONTENT | Field.PICTURE, ",
        "(id, Field.CONTENT | Field.PICTURE, ",
    ),
    Mutant(
        "whose cover a record is",
        "a_cover_gets_another_text",
        INVALIDATE,
        "\n        self._covered(id, ",
        "\n        (id, ",
    ),
    Mutant(
        "comments",
        "a_comment_is_approved_and_taken_back",
        INVALIDATE,
        "self._mark(post_id, Field.COMMENTS, ",
        "(post_id, Field.COMMENTS, ",
    ),
    Mutant(
        "that the beginning of a body is its excerpt",
        "a_body_is_edited",
        INVALIDATE,
        "            fields |= Field.EXCERPT\n",
        "            pass\n",
    ),
    Mutant(
        "that a sitemap says when a post was changed",
        "a_post_is_updated_and_says_when",
        INVALIDATE,
        'self.changed.suspects.update({f"places:',
        '({f"places:',
    ),
    Mutant(
        "the settings of the CMS",
        "the_settings_change",
        INVALIDATE,
        "                self.changed.settings = True\n",
        "                pass\n",
    ),
    Mutant(
        "to try what failed again",
        "a_post_is_mended_by_its_template",
        INVALIDATE,
        'found: dict[int, Cause] = {id: Cause("failed", "") for id in trace.failed()}',
        "found: dict[int, Cause] = {}",
    ),
    Mutant(
        "what a module that is kept read when it was made",
        "a_sheet_that_only_a_macro_names_changes",
        TEMPLATES,
        "        environment.reader.saw_all(keys)\n",
        "",
    ),
    Mutant(
        "that a module which read content is of one page",
        "what_a_module_read_changes",
        TEMPLATES,
        "            if not reads.posts and not reads.queries and not reads.live:\n",
        "            if True:\n",
    ),
    Mutant(
        "that a post waits for an address",
        "an_address_is_freed",
        PERMALINKS,
        'if connection.execute("SELECT 1 FROM permalink WHERE moved LIMIT 1").fetchone() is not None:',
        "if False:",
    ),
    Mutant(
        "the redirects to a post that is gone",
        "a_post_that_moved_is_deleted",
        PERMALINKS,
        "connection.execute(LEFT_BY, (id,)).fetchone() is not None or was_left(",
        "was_left(",
    ),
    Mutant(
        "the redirect that a page hid",
        "an_address_that_was_left_is_taken_by_a_new_post_and_freed_again",
        PERMALINKS,
        " or was_left(connection, file_of(old[0])):",
        ":",
    ),
    Mutant(
        "posts that fell due",
        "a_post_falls_due",
        PERMALINKS,
        "    for (id,) in sorted({*due, *marked}):",
        "    for (id,) in sorted({*marked}):",
    ),
    Mutant(
        "to take a post out of the numbers",
        "the_last_post_of_a_tag_leaves_it",
        TALLIES,
        "            _add(connection, old, -1)\n",
        "",
    ),
    Mutant(
        "by which time zone and without which tags the numbers were made",
        "a_tag_is_excluded_and_let_in_again",
        TALLIES,
        ".fetchone() != (basis,):",
        ".fetchone() == ():",
    ),
    Mutant(
        "how a post was before it changed",
        "a_post_leaves_a_tag",
        STORE,
        """        mark(self.connection, kind, entry.id)
        if not isinstance(entry, Post):
            self.connection.execute(PUT_ENTRY, (kind, entry.id, version, stamp, encode(entry)))
            self._index(entry)
            return
        values = json.loads(encode(entry))
        body = values.pop("body")
        at = sort_time(entry)
        self.connection.execute(PUT_ENTRY, (kind, entry.id, version, stamp, json.dumps(values, ensure_ascii=False)))
""",
        """        if not isinstance(entry, Post):
            self.connection.execute(PUT_ENTRY, (kind, entry.id, version, stamp, encode(entry)))
            self._index(entry)
            return
        values = json.loads(encode(entry))
        body = values.pop("body")
        at = sort_time(entry)
        self.connection.execute(PUT_ENTRY, (kind, entry.id, version, stamp, json.dumps(values, ensure_ascii=False)))
        mark(self.connection, kind, entry.id)
""",
    ),
    Mutant("that a file changed", "a_picture_of_a_body_arrives", ASSETS, "_shown(old) != _shown(asset)", "False"),
    Mutant(
        "which file a record named before",
        "a_cover_becomes_another_file",
        USES,
        '            before.add(reader.pictures.media_address(entry.before["url"]))\n',
        "            pass\n",
    ),
    Mutant(
        "of which release the trace is",
        "an_older_release_is_live",
        TRACING,
        "        if release != self.release:",
        "        if False:",
    ),
    Mutant(
        "by which version the trace was written",
        "the_trace_is_of_another_version",
        TRACING,
        "        if recipe != self._recipe:",
        "        if False:",
    ),
    Mutant(
        "that the recipe was kept for another configuration",
        "the_configuration_changes",
        "velobuild/pipeline/recipe.py",
        "    if _last is None or _last[0] != inputs:",
        "    if _last is None:",
    ),
    Mutant(
        "that a page of a list moved",
        "a_list_gets_a_page_and_loses_it",
        "velobuild/graph/routes.py",
        "    first = max(1, min(total, old_total) - 1)",
        "    first = max(1, max(total, old_total))",
    ),
    Mutant(
        "that the owner's file wins over one that a change makes",
        "the_owner_has_a_file_where_a_tag_comes_and_goes",
        "velobuild/graph/routes.py",
        "        [target for target in targets if not gives_way(target.route, target.path, own)],",
        "        targets,",
    ),
    Mutant(
        "that a redirect waits for a list to go",
        "a_redirect_waits_where_a_tag_goes_and_comes",
        "velobuild/graph/rivals.py",
        "    for redirect in reader.site.config.redirects:",
        "    for redirect in ():",
    ),
    Mutant(
        "that a post left an address which differs in letter case",
        "an_address_that_was_left_is_taken_in_another_case_and_freed_again",
        "velobuild/content/former.py",
        "WHERE path COLLATE NOCASE IN",
        "WHERE path IN",
    ),
    Mutant(
        "that a post left the address of a list",
        "a_post_was_where_a_year_comes_and_goes",
        TRACING,
        " or self._were_posts(coming_or_going):",
        ":",
    ),
    Mutant(
        "that a page wants the address of a list that comes",
        "a_tag_comes_where_a_page_is_in_another_case",
        "velobuild/graph/rivals.py",
        "    for path in (path_of(page) for page in reader.pages):",
        "    for path in ():",
    ),
    Mutant(
        "to forget what a page read before",
        "a_post_leaves_a_tag",
        TRACE,
        "        self._drop_reads(id, *known[1:])\n",
        "",
    ),
    Mutant(
        "that a post falls due while all rests",
        "a_post_falls_due",
        REST,
        "        return due is not None and due <= at",
        "        return False",
    ),
    Mutant(
        "that the rest is of one theme",
        "a_macro_changes",
        REST,
        "self._theme.fingerprint, self._pages]",
        "self._pages]",
    ),
    Mutant(
        "that the rest is of one configuration",
        "the_configuration_changes",
        REST,
        "self._config, self._theme.fingerprint",
        "self._theme.fingerprint",
    ),
    Mutant(
        "that live files may go while all rests",
        "somebody_edited_live_files",
        REST,
        "        if not is_whole(self._connection, self._theme, self._out):",
        "        if False:",
    ),
)
