"""Judges of generated sites that we did not write: the Nu HTML checker, axe-core, feedparser and RFC 4287's grammar.

Each judge takes a built folder, or URLs of a served one, and gives back findings as lines; an empty list is a pass.
The npm ones are installed by `npm ci --prefix tests/judges`.
"""
