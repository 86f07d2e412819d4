"""Which connector speaks which protocol of the profile's channels."""

from typing import Final

from connectors import canonical, citymgmt, hotline12345, police110, video, wechat
from connectors.base import Connector
from profiles import Protocol

CONNECTORS: Final[dict[Protocol, Connector]] = {
    "hotline12345": hotline12345.CONNECTOR,
    "police110": police110.CONNECTOR,
    "citymgmt": citymgmt.CONNECTOR,
    "video": video.CONNECTOR,
    "wechat": wechat.CONNECTOR,
    "canonical": canonical.CONNECTOR,
}
