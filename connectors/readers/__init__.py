"""Readers of pull feeds: sources that are asked, where push feeds speak by themselves (docs/decisions/0018-readers.md)."""
