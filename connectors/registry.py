"""Which connector speaks which protocol of the profile's channels. The protocol `kafka` has none: its sources write Avro."""

from collections.abc import Callable
from typing import Final

from connectors import canonical, citymgmt, hotline12345, open311, police110, wechat
from connectors.base import Connector, Context, Reply
from connectors.video import aibox, dahua, gat1400, gb28181, hikvision, onvif
from profiles import Protocol

CONNECTORS: Final[dict[Protocol, Connector]] = {
    "hotline12345": hotline12345.CONNECTOR,
    "police110": police110.CONNECTOR,
    "citymgmt": citymgmt.CONNECTOR,
    "hikvision": hikvision.CONNECTOR,
    "dahua": dahua.CONNECTOR,
    "onvif": onvif.CONNECTOR,
    "gb28181": gb28181.CONNECTOR,
    "gat1400": gat1400.CONNECTOR,
    "aibox": aibox.CONNECTOR,
    "wechat": wechat.CONNECTOR,
    "open311": open311.CONNECTOR,
    "canonical": canonical.CONNECTOR,
}

#: Protocols that prove an address with a GET before they use it: the proof's answer, or Refusal.
URL_CHECKS: Final[dict[Protocol, Callable[[Context], Reply]]] = {"wechat": wechat.url_check}
