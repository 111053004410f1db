"""What must be made anew, before rendering; and what was made, after it, as the trace keeps it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from velobuild.content.database import Connection, transaction
from velobuild.content.former import was_left
from velobuild.content.moments import timestamp
from velobuild.content.store import Store
from velobuild.errors import Diagnostic
from velobuild.graph.builds import next_number, note_build
from velobuild.graph.causes import born, left, replaced
from velobuild.graph.changes import Cause, Changed
from velobuild.graph.invalidate import Differences, settle, stale
from velobuild.graph.named import ABSENT, Named
from velobuild.graph.reader import Reader
from velobuild.graph.rivals import is_contested
from velobuild.graph.routes import moves
from velobuild.graph.site import Site
from velobuild.graph.trace import Made, Output, Trace
from velobuild.model.keys import Fingerprint, canonical, fingerprint
from velobuild.model.outputs import Target
from velobuild.model.reads import EVERY_FIELD, Answer
from velobuild.pipeline.noting import LOST, PRINTS, PUBLISHING, RECIPE, THEME, UNSHOWN
from velobuild.pipeline.recipe import recipe_parts
from velobuild.pipeline.spool import Answers, Spool
from velobuild.render.theme import Theme


@dataclass(slots=True)
class Plan:
    """What a build makes anew and why: `causes` by path, and the `usual` one of all others. `fresh` has the paths of
    outputs that stay; `gone` are the outputs that no route names."""

    targets: list[Target]
    causes: dict[str, Cause]
    usual: Cause | None = None
    fresh: dict[str, None] = field(default_factory=dict)
    gone: list[Output] = field(default_factory=list)
    changed: Changed = field(default_factory=Changed)

    def cause_of(self, path: str) -> Cause | None:
        return None if path in self.fresh else self.causes.get(path, self.usual)


class Tracing:
    """The trace during one build: asked for a plan, told what was made, written when the release is live.

    `release` is the one that was live when the build began; an update goes on with it.
    """

    def __init__(self, connection: Connection, site: Site, theme: Theme, release: str | None) -> None:
        self._connection = connection
        self._site = site
        self._theme = theme
        self._store = Store(connection)
        self.trace = Trace(connection)
        self.reader = Reader(connection, site)
        self.named = Named(self.reader, self._of_theme)
        self._parts = recipe_parts(site, theme, self.reader.pictures.media_origins)
        self._recipe = fingerprint(self._parts).hex()
        self.release = release
        self._prints: dict[str, str] = json.loads(self._store.note(PRINTS) or "{}")
        self._made = Spool(site.state)
        self._answers = Answers()
        self._plan = Plan([], {})
        self._anew = True

    @property
    def whole(self) -> str | None:
        """Why everything must be made anew; None if the trace can be built on."""
        identity = self.trace.identity
        if identity is None or self.release is None:
            return "nothing was built before"
        if self._store.note(PUBLISHING):
            return "the build before was cut short"
        release, _, recipe = identity.rpartition("|")
        if release != self.release:
            return "another release is live than the one that was built last"
        if recipe != self._recipe:
            before: dict[str, str] = json.loads(self._store.note(RECIPE) or "{}")
            if not before:
                return "velobuild, its configuration or the theme's options changed"
            names = [name for name in {**before, **self._parts} if before.get(name) != self._parts.get(name)]
            return f"{' and '.join(names)} changed"
        return None

    def plan(self, targets: Iterable[Target], *, anew: str | None) -> Plan:
        """Which of the targets must be made, each with its cause. `anew` is why all of them must, if they must."""
        why = anew or self.whole
        self._made, self._answers = Spool(self._site.state), Answers()
        self._anew = why is not None
        if why is not None:
            self._plan = Plan([], {}, Cause("all", why))
            if self.trace.identity is not None:
                paths = {target.path for target in targets}
                self._plan.gone = [self.trace.output(id) for id, path in self.trace.places() if path not in paths]
            return self._plan
        changed, by_id = self._changes(theme=True)
        self._plan = plan = Plan([], {}, changed=changed)
        there: set[int] = set()
        for target in targets:
            output = self.trace.at(target.path)
            if output is None:
                plan.causes[target.path] = born(target, changed)
                continue
            there.add(output.id)
            cause = _cause(output, target, by_id)
            plan.usual = plan.usual or cause
            if cause is None:
                plan.fresh[target.path] = None
            elif cause != plan.usual:
                plan.causes[target.path] = cause
        plan.gone = [self.trace.output(id) for id, _ in self.trace.places() if id not in there]
        return plan

    def pending(self) -> tuple[Changed, dict[int, Cause]]:
        """What the next build sees to: what changed, and why each output is due."""
        return self._changes(theme=True)

    def _changes(self, *, theme: bool) -> tuple[Changed, dict[int, Cause]]:
        """(what changed, output → the first cause for making it anew)."""
        changed = Differences(self._connection, self.reader).all()
        self._unshown(changed)
        if theme:
            changed.suspects.update({"template:": "", "asset:": ""})
        settle(self.trace, self.reader.answers, self.named, changed)
        return changed, stale(self.trace, changed)

    @property
    def needs_all(self) -> str | None:
        """Why the whole site must be walked through, though most of it may stay; None if a few pages can change."""
        if self.whole is not None:
            return self.whole
        if self._store.note(THEME) != self._theme.fingerprint:
            return "the theme or a static file changed"
        if self._store.note(UNSHOWN) != "[]" or self._store.note(LOST) != "[]" or self.trace.failed():
            return "a post could not be shown"
        return None

    def plan_update(self) -> Plan | None:
        """The same as `plan` from what changed alone; None where more must be looked at."""
        changed, by_id = self._changes(theme=False)
        if changed.renamed or changed.pages:
            return None
        self._made, self._answers, self._anew = Spool(self._site.state), Answers(), False
        own = self._theme.verbatim
        moved = moves(self.reader, changed.born, changed.gone, changed.lengths, own)
        plan = Plan([], {}, changed=changed)
        plan.gone = [output for path in moved.gone if (output := self.trace.at(path)) is not None]
        coming_or_going = {output.target.path for output in plan.gone if output.target.route != "post"}
        seen: set[str] = set()
        for target in moved.targets:
            output = self.trace.at(target.path)
            seen.add(target.path)
            if output is None:
                plan.causes[target.path] = born(target, changed)
            elif (cause := _cause(output, target, by_id)) is not None:
                plan.causes[target.path] = cause
            else:
                continue
            if target.route != "post" and (output is None or output.target.route != target.route):
                coming_or_going.add(target.path)
            plan.targets.append(target)
        if is_contested(self.reader, coming_or_going, own) or self._were_posts(coming_or_going):
            return None
        gone = {output.id for output in plan.gone}
        for id, cause in by_id.items():
            if id not in gone:
                target = self.trace.output(id).target
                if target.path not in seen:
                    plan.targets.append(target)
                    plan.causes[target.path] = cause
        self._plan = plan
        return plan

    def _were_posts(self, files: Iterable[str]) -> bool:
        """Whether posts have left one of these addresses: a redirect that stands there goes, or comes back."""
        return any(was_left(self._connection, file) for file in files)

    def _unshown(self, changed: Changed) -> None:
        """Posts whose body could be shown and cannot, or the other way round, are others everywhere."""
        before = frozenset(json.loads(self._store.note(UNSHOWN) or "[]"))
        for id in sorted(before ^ self._site.unshown):
            core = self.reader.core(id)
            if core is not None:
                changed.fields[core.num] |= int(EVERY_FIELD)
                changed.fates[core.num] = "can be shown again" if id in before else "cannot be shown any more"

    def made(self, made: Iterable[Made], answers: Mapping[str, Answer]) -> None:
        self._made.add(made)
        self._answers.add(answers)

    def publishing(self, under_way: bool) -> None:
        """Note that a release is about to go live, of which the trace does not know yet."""
        self._store.remember(PUBLISHING, "1" if under_way else "")

    def commit(self, release: str | None, warn: Callable[[Diagnostic], None], notes: Mapping[str, str]) -> bool:
        """Write what was made, in one transaction; `release` is the live one that shows it, `notes` go with it.

        False if a change was missed: then there is no trace any more, and the next build makes everything anew.
        """
        plan = self._plan
        with transaction(self._connection):
            if self._anew:
                self.trace.forget()
            else:
                self.trace.store(plan.changed.answers, plan.changed.stamps)
                self.trace.remove(output.id for output in plan.gone)
            number, made = next_number(self._connection), len(self._made)
            self.trace.record(self._made, self._answers.take, self.named.fingerprint, number)
            if made or plan.gone:
                gone = {output.target.path: left(output.target, plan.changed) for output in plan.gone}
                at = timestamp(self._site.as_of)
                note_build(self._connection, number, at, made, plan.changed, gone)
            self.trace.sweep()
            if self.trace.alarms:
                self.trace.forget()
            else:
                self.trace.close_change(f"{release}|{self._recipe}")
                own = {PRINTS: json.dumps(self._prints, sort_keys=True), THEME: self._theme.fingerprint, PUBLISHING: ""}
                own[RECIPE] = json.dumps(self._parts)
                own[UNSHOWN] = json.dumps(sorted(self._site.unshown))
                for key, value in {**own, **notes}.items():
                    self._store.note_within(key, value)
        for key in self.trace.alarms:
            warn(
                Diagnostic(
                    "VB9001",
                    f"a change was missed: `{key}` answers otherwise than the trace believed",
                    hint="the next build makes every page anew; please report this with the line above",
                )
            )
        return not self.trace.alarms

    def _of_theme(self, key: str) -> Fingerprint:
        kind, _, name = key.partition(":")
        if kind == "asset":
            static, own = self._theme.assets.get(name), self._theme.verbatim.get(name)
            found = static or own
            return ABSENT if found is None else fingerprint([found.path, found.sha256])
        from velobuild.render.prints import template_print

        return bytes.fromhex(template_print(self._theme, name, self._prints))


def _cause(output: Output, target: Target, by_id: Mapping[int, Cause]) -> Cause | None:
    """Why the output at a target's path is made anew; None if it stays."""
    if output.target.route != target.route:
        return replaced(output.target, target)
    return by_id.get(output.id) or (None if same_target(output.target, target) else replaced(output.target, target))


def same_target(old: Target, new: Target) -> bool:
    """Whether two targets ask for the same page, once their parameters have been through JSON."""
    names = ("path", "url", "route", "renderer", "template")
    return all(getattr(old, name) == getattr(new, name) for name in names) and canonical(old.params) == canonical(
        new.params
    )
