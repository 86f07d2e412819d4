"""Who may send, and how much: the checks of a request before and after its body is read (docs/decisions/0014-authentication.md).

A channel proves itself as its profile says (`auth`). Besides, a channel that has a key may always sign with HMAC: so the hub's
own tools reach it, and reports of what became of its messages can be asked for in one way.
"""

import ipaddress
import math
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from aiohttp import web

from connectors import auth
from connectors.answers import CLOSE, AnsweredError
from connectors.auth import ChannelSecret
from connectors.digest import WRONG, Digest, StaleError
from connectors.digest import read as read_digest
from connectors.errors import Refusal
from connectors.intake import Clock, count_refused
from connectors.ratelimit import Buckets, Rate
from monitoring import metrics
from profiles import Channel

#: Failed proofs of one address for one channel: beyond, its requests are not even read.
_FAILURES: Final = Rate(per_s=1.0, burst=20)
#: Requests to addresses that a protocol fixes count apart from those to channels that do not exist: many devices behind one
#: router may speak either.
_ROOTED: Final = "/"
#: Feed label of requests whose channel is not known.
NO_FEED: Final = "unknown"

Secrets = Callable[[str], ChannelSecret]


@dataclass(frozen=True, slots=True)
class Proof:
    """What is known of a request before its body: its channel and that channel's secret. `signed`: the proof covers the body."""

    request: web.Request
    channel: Channel
    secret: ChannelSecret
    signed: bool


class Guard:
    """Lets requests in. `begin` before the body is read, `finish` once it is there, `charge` when its messages are counted.

    secrets: the present secret of a channel; asked anew for every request, so that keys rotate. clock: milliseconds UTC.
    nonce_key: signs digest nonces, the same in all processes of a deployment. proxies: addresses whose X-Forwarded-For is
    believed. monotonic: seconds, for the rates.
    """

    def __init__(
        self,
        secrets: Secrets,
        clock: Clock,
        nonce_key: bytes,
        proxies: Iterable[str] = (),
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._secrets = secrets
        self._clock = clock
        self._digest = Digest(nonce_key)
        self._proxies = [ipaddress.ip_network(proxy) for proxy in proxies]
        self._sent: Buckets[str] = Buckets(monotonic)
        self._failures: Buckets[tuple[str, str]] = Buckets(monotonic)

    def begin(self, request: web.Request, channel: Channel, *, own: bool = True, api_key: str | None = None) -> Proof:
        """All that can be told without the body. own: the request speaks the channel's protocol, so that the protocol's
        proof counts; others than the protocol's (its progress, questions about its reports) are signed with HMAC there.
        api_key: where it stood in the body of a form; else it is looked for in the query.

        Raises AnsweredError (401, 429).
        """
        self._check_failures(request, channel.id, channel.feed)
        secret = self.secret(channel)
        proof = Proof(request, channel, secret, _is_signed(request, channel, own))
        try:
            self._prove(proof, request.query.get("api_key", "") if api_key is None else api_key)
        except Refusal as refusal:
            raise self._failed(proof, refusal) from None
        self._check_rate(channel, CLOSE)
        return proof

    def finish(self, proof: Proof, body: bytes) -> None:
        """Checks what the body proves, and counts one message. Raises AnsweredError (401, 429)."""
        request, channel = proof.request, proof.channel
        if proof.signed:
            stamp, given = _hmac_headers(request)
            path = request.rel_url.raw_path
            try:
                auth.check_signature(proof.secret.keys, request.method, path, stamp, given, body, self._clock())
            except Refusal as refusal:
                raise self._failed(proof, refusal) from None
        self._check_rate(channel, {})
        self.charge(channel, 1)

    def secret(self, channel: Channel) -> ChannelSecret:
        """The channel's present secret."""
        return self._secrets(channel.id)

    def charge(self, channel: Channel, messages: int) -> None:
        """Counts messages that came. A batch is let in when one message may pass, and paid for as it is read."""
        if channel.messages_per_s is not None and messages > 0:
            self._sent.charge(channel.id, Rate(channel.messages_per_s, channel.burst), messages)

    def admit(self, request: web.Request, channel: Channel | None) -> None:
        """What can be told of a request whose proof stands in its body: raises AnsweredError (429) for an address that failed
        too often to prove itself. channel: None where the body names it.
        """
        self._check_failures(request, channel.id if channel else "", channel.feed if channel else NO_FEED)

    def unread(self, proof: Proof) -> None:
        """Counts a body that did not come whole where the body is the proof: who holds up the hub need not know a key."""
        if proof.signed:
            self._failures.charge((proof.channel.id, self._address(proof.request)), _FAILURES)

    def wrong(self, request: web.Request, channel: Channel, refusal: Refusal) -> AnsweredError:
        """The answer to a request whose proof its protocol looked at itself, and found wrong."""
        count_refused(channel, [refusal.code])
        self._failures.charge((channel.id, self._address(request)), _FAILURES)
        return AnsweredError(refusal)

    def failed(self, proof: Proof, refusal: Refusal) -> AnsweredError:
        """The answer to a request whose proof inside the body failed, which its protocol found and counted."""
        self._failures.charge((proof.channel.id, self._address(proof.request)), _FAILURES)
        return AnsweredError(refusal)

    def user(self, request: web.Request) -> str:
        """The digest user of a request whose address names no channel. Raises AnsweredError (401, 429)."""
        self._check_failures(request, _ROOTED, NO_FEED)
        try:
            name = read_digest(request.headers.get("Authorization", "")).get("username", "")
        except Refusal as refusal:
            raise self.stranger(request, refusal, _ROOTED) from None
        if not name:
            raise self._challenge("send user and password with HTTP digest; the user is the channel's id")
        return name

    def nobody(self, request: web.Request) -> AnsweredError:
        """The answer to a digest user who is no channel here: as to a wrong password."""
        answered = self.stranger(request, Refusal("bad_signature", WRONG), _ROOTED)
        self._add_challenges(answered)
        return answered

    def stranger(self, request: web.Request, refusal: Refusal, address: str = "") -> AnsweredError:
        """The answer to a sender that is no channel; counted, by kind of `address`. Raises AnsweredError (429)."""
        self._check_failures(request, address, NO_FEED)
        self._failures.charge((address, self._address(request)), _FAILURES)
        metrics.RECEIVED.labels(feed=NO_FEED).inc()
        metrics.REFUSED.labels(feed=NO_FEED, reason=refusal.code).inc()
        return AnsweredError(refusal, CLOSE)

    def _prove(self, proof: Proof, api_key: str) -> None:
        request, channel, secret = proof.request, proof.channel, proof.secret
        if proof.signed:
            auth.check_claim(secret.keys, *_hmac_headers(request), self._clock())
        elif channel.auth == "digest":
            self._prove_digest(request, channel, secret)
        elif channel.auth == "mtls":
            tls = request.get_extra_info("ssl_object")
            auth.check_certificate(secret, tls.getpeercert(binary_form=True) if tls else None)
        elif channel.auth == "wechat":
            query = request.query
            auth.check_wechat(
                secret.token, query.get("timestamp", ""), query.get("nonce", ""), query.get("signature", "")
            )
        else:
            auth.check_api_key(secret, api_key)

    def _prove_digest(self, request: web.Request, channel: Channel, secret: ChannelSecret) -> None:
        given = read_digest(request.headers.get("Authorization", ""))
        if not given:
            raise self._challenge("send user and password with HTTP digest")
        try:
            self._digest.check(given, request.method, request.raw_path, channel.id, secret.passwords, self._clock())
        except StaleError:
            raise self._challenge("the nonce is too old; answer the new one", stale=True) from None

    def _challenge(self, reason: str, *, stale: bool = False) -> AnsweredError:
        """The handshake's first half: no failure, and not counted as a refused message."""
        answered = AnsweredError(Refusal("bad_signature", reason))
        self._add_challenges(answered, stale=stale)
        return answered

    def _add_challenges(self, answered: AnsweredError, *, stale: bool = False) -> None:
        for value in self._digest.challenges(self._clock(), stale=stale):
            answered.headers.add("WWW-Authenticate", value)

    def _failed(self, proof: Proof, refusal: Refusal) -> AnsweredError:
        count_refused(proof.channel, [refusal.code])
        answered = self.failed(proof, refusal)
        answered.headers.extend(CLOSE)
        if proof.channel.auth == "digest" and not proof.signed:
            self._add_challenges(answered)
        return answered

    def _check_rate(self, channel: Channel, headers: Mapping[str, str]) -> None:
        if channel.messages_per_s is None:
            return
        wait = self._sent.wait(channel.id, Rate(channel.messages_per_s, channel.burst))
        if wait:
            count_refused(channel, ["rate_limited"])
            raise _later(f"the channel may send {channel.messages_per_s:g} messages a second", wait, headers)

    def _check_failures(self, request: web.Request, channel_id: str, feed: str) -> None:
        if not self._failures:
            return
        wait = self._failures.wait((channel_id, self._address(request)), _FAILURES)
        if wait:
            metrics.RECEIVED.labels(feed=feed).inc()
            metrics.REFUSED.labels(feed=feed, reason="rate_limited").inc()
            raise _later("too many requests of this address did not prove who sent them; mend that", wait, CLOSE)

    def _address(self, request: web.Request) -> str:
        """The client's address (of IPv6 its network of 64 bits), past the proxies that are believed."""
        told = ",".join(request.headers.getall("X-Forwarded-For", ()))  # a proxy may add a line of its own
        hops = [request.remote or "", *reversed(told.split(","))]
        found = hops[0]
        for hop in hops if self._proxies else hops[:1]:
            try:
                address = _read_address(hop.strip())
            except ValueError:
                break
            found = str(ipaddress.ip_network((address, 64), strict=False)) if address.version == 6 else str(address)
            if not any(address in proxy for proxy in self._proxies):
                break
        return found


def _read_address(hop: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """An address, perhaps with a port (192.0.2.1:4711, [2001:db8::1]:4711); IPv4 written as IPv6 is IPv4. Raises ValueError."""
    if hop.startswith("["):
        hop = hop[1:].partition("]")[0]
    elif hop.count(":") == 1:
        hop = hop.partition(":")[0]
    address = ipaddress.ip_address(hop)
    return (address.ipv4_mapped or address) if address.version == 6 else address


def _is_signed(request: web.Request, channel: Channel, own: bool) -> bool:
    """Whether a request is proved by HMAC over its body: it says so, or there is no other way for it."""
    if auth.SIGNATURE_HEADER in request.headers or channel.auth == "hmac":
        return True
    return not own and channel.auth in {"wechat", "api_key"}


def _hmac_headers(request: web.Request) -> tuple[str, str]:
    return request.headers.get(auth.TIME_HEADER, ""), request.headers.get(auth.SIGNATURE_HEADER, "")


def _later(why: str, wait: float, headers: Mapping[str, str]) -> AnsweredError:
    seconds = max(1, math.ceil(wait))
    return AnsweredError(
        Refusal("rate_limited", f"{why}; send the same again after {seconds} s"),
        {**headers, "Retry-After": str(seconds)},
    )
