"""Tests that need no world."""
