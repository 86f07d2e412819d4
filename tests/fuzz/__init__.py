"""Fuzzing of every parser: docs/decisions/0020-fuzzing.md."""
