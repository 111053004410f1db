"""Names that tell what was asked for, and two outputs to speak of."""

from __future__ import annotations

from velobuild.model.outputs import Target

POST = Target("a/index.html", "/a/", "post", "template", "post.html", {"id": "1"})
HOME = Target("index.html", "/", "home", "template", "home.html", {"number": 1})


class Plain:
    def post(self, id: str) -> str:
        return f"Post {id}"

    def tag(self, key: str) -> str:
        return key.capitalize() if key.isprintable() else key

    def page(self, id: str) -> str:
        return f"Page {id}"
