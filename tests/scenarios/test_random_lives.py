"""Whatever happens to a site, the audit finds nothing wrong with it, and every one of its pages can be explained."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.incremental.machine import Life
from velobuild.config.schema import Loaded
from velobuild.content.database import opened_for_reading
from velobuild.errors import ConfigError
from velobuild.graph.account import explain_last
from velobuild.graph.explain import explain
from velobuild.graph.trace import Trace
from velobuild.graph.widest import widest
from velobuild.pipeline.auditing import audit


class Audited(Life):
    """The same life, looked at by the audit in place of a clean build."""

    def compare(self) -> None:
        self.living.build()
        site = self.living.site
        loaded = Loaded(config=self.living.config, file=site / "velobuild.toml")
        try:
            report = audit(loaded, sample=None)
        except ConfigError as nothing:
            raise AssertionError(f"the audit refused: {nothing}") from nothing
        assert report.findings == ()
        assert report.pending == 0
        with opened_for_reading(loaded.state) as connection:
            assert connection is not None
            for output in Trace(connection).outputs():
                account = explain(connection, output)
                assert account.what
                assert account.chain
                assert account.depends_on or output.target.renderer == "robots" or output.target.route == "redirect"
                for line in (*account.chain, *account.stayed):
                    assert line.endswith(".")
                    assert "None" not in line
                    assert "{" not in line
            assert explain_last(connection) is not None
            assert widest(connection, limit=3).outputs == report.outputs


@pytest.mark.slow
def test_audit_finds_nothing_in_random_lives_and_every_page_can_be_explained() -> None:
    calm = settings(
        max_examples=6, stateful_step_count=6, deadline=None, suppress_health_check=list(HealthCheck), print_blob=True
    )
    run_state_machine_as_test(Audited, settings=calm)
