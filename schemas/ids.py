"""Deterministic ids: the same upstream message gets the same id on every machine, every time."""

import hashlib


def digest_id(*parts: str) -> str:
    """32 hex digits of SHA-256 over the parts, each with its length before it, so that ("ab", "c") is not ("a", "bc")."""
    hasher = hashlib.sha256()
    for part in parts:
        data = part.encode()
        hasher.update(len(data).to_bytes(8, "big"))
        hasher.update(data)
    return hasher.hexdigest()[:32]


def report_id(feed: str, channel: str, upstream_id: str) -> str:
    """Id of the report that `channel` of `feed` numbers `upstream_id`."""
    return f"{feed}-{digest_id(feed, channel, upstream_id)}"


def progress_id(report: str, step: str, occurred_at: int, upstream_step_id: str | None, content_hash: str) -> str:
    """Id of one step of a case; `content_hash` keeps two different steps of the same kind and second apart."""
    return digest_id(report, step, str(occurred_at), upstream_step_id or "", content_hash)
