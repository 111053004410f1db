"""Fixtures for every test."""

pytest_plugins = ["tests.devcms_fixtures"]
