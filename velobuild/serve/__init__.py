"""Staying alive: what runs on after a build."""
