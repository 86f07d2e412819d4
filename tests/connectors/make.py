"""Made-up messages of every protocol, and the parts to normalise them with. No person, number or event in here is real."""

import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from connectors.base import Context, Record
from connectors.bodies import Broken
from connectors.errors import Refusal
from connectors.places import Places
from connectors.privacy import Privacy, SealKey
from connectors.registry import CONNECTORS
from profiles import Profile, Protocol, load_profile

PROFILE: Profile = load_profile(Path(__file__).parents[2] / "profiles" / "demo")
PLACES = Places(PROFILE)
EXAMPLES = Path(__file__).parents[2] / "connectors" / "examples"
PRIVACY = Privacy(
    b"test hmac key, 32 bytes long ...", {"seal-test": SealKey(b"test seal key, 32 bytes long ...")}, "seal-test"
)
NOW = int(datetime(2025, 11, 20, tzinfo=UTC).timestamp() * 1000)
#: Personal data that the good messages give; none of it may appear in a record.
NAME = "甄样本"
PHONE = "13800001234"
OPENID = "oMadeUp_sample-0000000000001"

ORDER: dict[str, Any] = {
    "message": "order",
    "record_number": "250912101108115409",
    "channel": "电话",
    "accepted_at": "2025-09-12 10:11:08",
    "appeal_type": "投诉",
    "family": "民生",
    "category_code": "010101",
    "category_path": ["城乡建设", "噪声扰民"],
    "title": "夜间噪声（虚构）",
    "content": f"来电人{NAME}反映楼下夜间噪声很大，手机{PHONE}，也可打 138 0000 1234。",
    "address": "金家岭街道大埠东社区3号楼",
    "admin_code": "370212005001",
    "lng": 120.47,
    "lat": 36.1,
    "caller_name": NAME,
    "caller_phone": PHONE,
    "contact_phone": "",
    "is_secret": "否",
    "urgency": "一般",
    "due_at": None,
    "related_no": "",
}
STEP: dict[str, Any] = {
    "message": "step",
    "record_number": "250912101108115409",
    "id": "900000001",
    "ps_caption": "回访",
    "pss_caption_start": "待回访",
    "pss_caption_end": "已回访",
    "pso_caption": "确定",
    "date": "2025-09-13 09:41:25",
    "di_title": "联动单位-示例街道",
    "deal_level": "街道",
    "note3": "已联系",
    "note6": "已解决",
    "satisfaction": "基本满意",
    "note": f"已回访，电话{PHONE}",
}
TRANSFER: dict[str, Any] = {
    "message": "transfer",
    "事件编号": "ZHW202505069999",
    "事件描述": f"来电称与商家发生退款纠纷，报警人{NAME}。#非警务#消费问题#报警电话:{PHONE}",
    "区县名称": "示范区",
    "镇街名称": "中韩街道",
    "村社名称": "牟家社区",
    "网格名称": "牟家第一网格",
    "事件级别": "三级",
    "警情类别": "600500",
    "二级分类": "消费纠纷",
    "上报时间": "6/5/25 14:57",
    "网格类型": "警情分流网格",
    "数据来源": "110",
    "经度": 120.4659,
    "纬度": 36.1118,
    "报警人": NAME,
}
FEEDBACK: dict[str, Any] = {
    "message": "feedback",
    "事件编号": "ZHW202505069999",
    "环节": "回访",
    "时间": "6/5/25 18:20",
    "单位": "示例派出所",
    "层级": "街道",
    "处置结果": f"已电话{PHONE}回访",
    "是否解决": "是",
    "满意度": "满意",
}
CASE: dict[str, Any] = {
    "message": "case",
    "case_code": "3702122025051200001",
    "category_type": "event",
    "big_code": "01",
    "small_code": "02",
    "source_type": "collector",
    "reporter": NAME,
    "reporter_phone": PHONE,
    "lng": 120.4547,
    "lat": 36.112,
    "street_code": "370212001",
    "community_code": "370212001003",
    "grid_code": "3702120010030001",
    "description": f"暴露垃圾，{NAME}上报，联系{PHONE}",
    "address": "示例路1号",
    "is_urgent": 0,
    "report_time": "2025-05-12 09:00:00",
    "deadline_time": None,
}
FLOW: dict[str, Any] = {
    "message": "flow",
    "case_code": "3702122025051200001",
    "flow_id": "77",
    "node": "核查",
    "operate_time": "2025-05-12 12:00:00",
    "unit": "示例中心",
    "level": "district",
    "result": "pass",
    "visit_result": "",
    "satisfaction": "",
    "deadline_time": None,
    "remark": f"核查通过 {PHONE}",
}
BOX: dict[str, Any] = {
    "camera_id": "37021200001320000001",
    "event_type": "illegalParking",
    "timestamp": "2025-06-05T10:30:00+08:00",
    "confidence": 0.91,
    "image_snapshot_url": "http://camera.invalid/1.jpg",
    "video_clip_url": "",
}
REPORT: dict[str, Any] = {
    "record": "report",
    "upstream_id": "A-0001",
    "reported_at": "2025-06-05T10:30:00",
    "appeal_type": "complaint",
    "table": "hotline-2025",
    "kind": "appeal",
    "code": "010101",
    "title": "噪声（虚构）",
    "content": f"{NAME}说夜里很吵，{PHONE}",
    "place": "A3区",
    "crs": "WGS-84",
    "reporter": {"name": NAME, "phone": PHONE, "id": ""},
    "extra": {"note": f"回电{PHONE}"},
}
PROGRESS: dict[str, Any] = {
    "record": "progress",
    "upstream_id": "A-0001",
    "step": "close",
    "occurred_at": "2025-06-06T10:30:00+08:00",
    "level": "grid",
    "solved": True,
    "satisfaction": "satisfied",
    "note": f"已办结，{PHONE}",
}
ALERT = """<?xml version="1.0" encoding="UTF-8"?>
<EventNotificationAlert version="2.0" xmlns="http://www.isapi.org/ver20/XMLSchema">
  <ipAddress>192.0.2.7</ipAddress><macAddress>02:00:5E:00:00:01</macAddress><channelID>1</channelID>
  <deviceID>37021200001320000002</deviceID>
  <dateTime>2025-06-05T10:30:00+08:00</dateTime><activePostCount>1</activePostCount>
  <eventType>fielddetection</eventType><eventState>active</eventState>
  <eventDescription>made-up alarm</eventDescription><isDataRetransmission>false</isDataRetransmission>
</EventNotificationAlert>"""
WECHAT = f"""<xml><ToUserName><![CDATA[gh_madeup]]></ToUserName>
<FromUserName><![CDATA[{OPENID}]]></FromUserName><CreateTime>1749090600</CreateTime>
<MsgType><![CDATA[text]]></MsgType><Content><![CDATA[大埠东社区的路灯不亮了，请联系{PHONE}]]></Content>
<MsgId>23456789012345678</MsgId></xml>"""
WECHAT_LOCATION = f"""<xml><FromUserName>{OPENID}</FromUserName><CreateTime>1749090600</CreateTime>
<MsgType>location</MsgType><Location_X>36.1</Location_X><Location_Y>120.47</Location_Y><Scale>20</Scale>
<Label>示例路</Label><MsgId>23456789012345679</MsgId></xml>"""


def context(channel: str, received_at: int = NOW, profile: Profile = PROFILE) -> Context:
    """Context of a channel of the demonstration profile."""
    return Context(profile, profile.channels[channel], PRIVACY, PLACES, ZoneInfo(profile.timezone), received_at)


def as_json(message: Mapping[str, Any]) -> bytes:
    """A message as a sender would write it."""
    return json.dumps(message, ensure_ascii=False).encode()


def normalised(channel: str, body: bytes, content_type: str, received_at: int = NOW) -> Record | None:
    """The record of a body with one message; raises Refusal."""
    ctx = context(channel, received_at)
    connector = CONNECTORS[ctx.channel.protocol]
    (item,) = connector.parse(body, content_type, ctx).items
    if isinstance(item, Broken):
        raise item.refusal
    return connector.normalise(item, ctx)


@dataclass(frozen=True)
class Example:
    """An example file of a protocol (connectors/examples/<protocol>/examples.toml) and what must become of it.

    gives: what each of its messages becomes ("" for a bad one). record: fields that must come out so. personal: what must
    not come out. at_receipt: it names no time of its own, so that its arrival stands for it.
    reason, names: the refusal's code and what its text must name.
    """

    protocol: Protocol
    file: str
    body: bytes
    content_type: str
    channel: str
    gives: str = ""
    personal: tuple[str, ...] = ()
    record: Mapping[str, Any] = field(default_factory=dict)
    reason: str = ""
    names: str = ""
    query: Mapping[str, str] = field(default_factory=dict)
    tail: str = ""
    at_receipt: bool = False

    def __str__(self) -> str:
        return f"{self.protocol}/{self.file}"

    def context(self, received_at: int = NOW) -> Context:
        """What its connector would know of it."""
        return replace(context(self.channel, received_at), query=self.query, tail=self.tail)

    def found(self, body: bytes | None = None, content_type: str | None = None) -> list[Record | Refusal | None]:
        """What becomes of each message of the file, or of another body sent in its place."""
        connector, ctx = CONNECTORS[self.protocol], self.context()
        made: list[Record | Refusal | None] = []
        try:
            body = self.body if body is None else body
            for item in connector.parse(body, content_type or self.content_type, ctx).items:
                try:
                    if isinstance(item, Broken):
                        raise item.refusal
                    made.append(connector.normalise(item, ctx))
                except Refusal as refusal:
                    made.append(refusal)
        except Refusal as refusal:
            return [refusal]
        return made


def examples_of(protocol: Protocol) -> list[Example]:
    """The examples of a protocol, good ones first; none where it has no folder."""
    folder = EXAMPLES / protocol
    if not (folder / "examples.toml").exists():
        return []
    listed = tomllib.loads((folder / "examples.toml").read_text("utf-8"))
    return [
        Example(
            protocol,
            entry["file"],
            (folder / entry["file"]).read_bytes(),
            entry["content_type"],
            entry["channel"],
            entry.get("gives", ""),
            tuple(entry.get("personal", ())),
            entry.get("record", {}),
            entry.get("reason", ""),
            entry.get("names", ""),
            entry.get("query", {}),
            entry.get("tail", ""),
            entry.get("at_receipt", False),
        )
        for part in ("good", "bad")
        for entry in listed.get(part, [])
    ]
