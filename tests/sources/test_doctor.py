"""What reads can tell about a key's rights."""

from __future__ import annotations

from typing import Any

import pytest

from tests.standin import Reply, StandIn, post
from velobuild.config.schema import Secret
from velobuild.http.client import ApiClient
from velobuild.http.limiter import Limiter, Rate
from velobuild.sources.doctor import Finding, Verdict, diagnose


def findings(cms: StandIn, **more: Any) -> list[Finding]:
    limiter = Limiter(None, fixed=Rate(1000, 1))
    client = ApiClient(cms.url, (Secret("velo_good", "the key"),), limiter=limiter, sleep=lambda seconds: None)
    try:
        return diagnose(client, **more)
    finally:
        client.close()
        limiter.close()
        assert {request.method for request in cms.requests} == {"GET"}


def test_a_key_that_may_list_members_or_unneeded_comments_is_told_to_be_too_wide() -> None:
    with StandIn(posts=1) as cms:
        cms.fault(Reply(200, {"items": []}), "/members")
        told = [finding.what for finding in findings(cms) if finding.verdict is Verdict.WARNING]
        assert told == ["it can do more than it needs: members:read, comments:read"]
        told = [finding.what for finding in findings(cms, comments=True) if finding.verdict is Verdict.WARNING]
        assert told == ["it can do more than it needs: members:read"]


def test_a_key_that_lists_drafts_is_told_what_that_means() -> None:
    with StandIn(posts=1) as cms:
        draft = post(7, status="draft")
        cms.posts[draft["id"]] = draft
        assert any("read drafts" in finding.what for finding in findings(cms))
    with StandIn(posts=1) as cms:
        assert not any("read drafts" in finding.what for finding in findings(cms))


@pytest.mark.parametrize("limit", [None, "30"])
def test_the_limit_is_named_as_far_as_the_cms_tells_it(limit: str | None) -> None:
    with StandIn(posts=1) as cms:
        if limit:
            cms.extra_headers = {"X-RateLimit-Limit": limit, "X-RateLimit-Remaining": "20"}
        (found,) = [finding for finding in findings(cms) if finding.check == "limit"]
        assert ("30 calls a minute" in found.what) == (limit is not None)
        assert f"today: {len(cms.requests)}" in found.what
