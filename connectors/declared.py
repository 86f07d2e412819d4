"""What the JSON protocols declare, in one place, and the check of a profile's channels against it."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final

from connectors import canonical, citymgmt, hotline12345, mapping, police110
from connectors.shapes import Shape
from profiles import Channel, Profile, ProfileError, Protocol

#: The field that tells the kind of a message, and the shape of each kind.
SHAPES: Final[dict[Protocol, tuple[str, Mapping[str, type[Shape]]]]] = {
    "hotline12345": (hotline12345.KIND_FIELD, hotline12345.SHAPES),
    "police110": (police110.KIND_FIELD, police110.SHAPES),
    "citymgmt": (citymgmt.KIND_FIELD, citymgmt.SHAPES),
    "canonical": (canonical.KIND_FIELD, canonical.SHAPES),
}


def check(profile: Profile) -> None:
    """Raises ProfileError, naming channel and target, where a channel declares what its protocol can't read."""
    for channel in profile.channels.values():
        if channel.protocol in SHAPES:
            mapping.check(channel, *SHAPES[channel.protocol])
            _check_constants(channel, profile)
        elif channel.mapping or channel.codes:
            raise ProfileError(
                f"channel {channel.id}: mapping and codes are for {', '.join(SHAPES)} only; leave them out"
            )


def _check_constants(channel: Channel, profile: Profile) -> None:
    where = f"channel {channel.id}, constants"
    if pattern := channel.constants.get("time_format"):
        now = datetime.now(UTC)
        try:
            datetime.strptime(now.strftime(pattern), pattern)  # noqa: DTZ007 - only whether it can be read
        except (ValueError, re.error):
            raise ProfileError(f"{where} time_format: is no pattern of strptime that can be read back") from None
    if (owner := channel.constants.get("orders_channel")) and owner not in profile.channels:
        raise ProfileError(f"{where} orders_channel: there is no channel {owner}")
