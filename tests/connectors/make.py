"""Made-up messages of every protocol, and the parts to normalise them with. No person, number or event in here is real."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from connectors.base import Context, Record, make_context
from connectors.bodies import Broken
from connectors.places import Places
from connectors.privacy import Privacy
from connectors.registry import CONNECTORS
from profiles import Profile, load_profile

PROFILE: Profile = load_profile(Path(__file__).parents[2] / "profiles" / "demo")
PLACES = Places(PROFILE)
PRIVACY = Privacy(b"test hmac key, 32 bytes long ...", b"test seal key, 32 bytes long ...", "seal-test")
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
    return make_context(profile, profile.channels[channel], PRIVACY, PLACES, received_at)


def as_json(message: Mapping[str, Any]) -> bytes:
    """A message as a sender would write it."""
    return json.dumps(message, ensure_ascii=False).encode()


def normalised(channel: str, body: bytes, content_type: str, received_at: int = NOW) -> Record | None:
    """The record of a body with one message; raises Refusal."""
    ctx = context(channel, received_at)
    connector = CONNECTORS[ctx.channel.protocol]
    (item,) = connector.parse(body, content_type).items
    if isinstance(item, Broken):
        raise item.refusal
    return connector.normalise(item, ctx)


@dataclass(frozen=True)
class Good:
    """A good message of a channel, and how to spoil it: field names of its id, time and point."""

    name: str
    channel: str
    body: bytes
    content_type: str = "application/json"
    fields: dict[str, Any] = field(default_factory=dict)
    identity: str = ""
    time: str = ""
    write_time: Callable[[datetime], Any] = lambda moment: moment.strftime("%Y-%m-%d %H:%M:%S")
    lon: str = ""
    lat: str = ""
    required: tuple[str, ...] = ()

    def changed(self, **values: Any) -> bytes:
        """The same JSON message with other values; None leaves the field out."""
        fields = {name: value for name, value in {**self.fields, **values}.items() if value is not None}
        return as_json(fields)


def _json(name: str, channel: str, fields: dict[str, Any], **rest: Any) -> Good:
    return Good(name, channel, as_json(fields), fields=fields, **rest)


def day_first(moment: datetime) -> str:
    """A time as 110 writes it."""
    return f"{moment.day}/{moment.month}/{moment.year % 100:02d} {moment.hour}:{moment.minute:02d}"


GOOD = [
    _json("hotline order", "demo-hotline", ORDER, identity="record_number", time="accepted_at", lon="lng", lat="lat",
          required=("record_number", "accepted_at", "appeal_type", "content")),
    _json("hotline step", "demo-hotline", STEP, identity="record_number", time="date",
          required=("record_number", "date", "ps_caption")),
    _json("police transfer", "demo-police", TRANSFER, identity="事件编号", time="上报时间", lon="经度", lat="纬度",
          write_time=day_first, required=("事件编号", "事件描述", "上报时间", "警情类别")),
    _json("police feedback", "demo-police", FEEDBACK, identity="事件编号", time="时间", write_time=day_first,
          required=("事件编号", "环节", "时间")),
    _json("citymgmt case", "demo-citymgmt", CASE, identity="case_code", time="report_time", lon="lng", lat="lat",
          required=("case_code", "category_type", "big_code", "small_code", "report_time")),
    _json("citymgmt flow", "demo-citymgmt", FLOW, identity="case_code", time="operate_time",
          required=("case_code", "node", "operate_time")),
    _json("video box", "demo-video", BOX, identity="camera_id", time="timestamp", required=("camera_id", "timestamp")),
    _json("canonical report", "demo-canonical", REPORT, identity="upstream_id", time="reported_at", lon="lon", lat="lat",
          required=("upstream_id", "reported_at")),
    _json("canonical progress", "demo-canonical", PROGRESS, identity="upstream_id", time="occurred_at",
          required=("upstream_id", "step", "occurred_at")),
    Good("video alert", "demo-video", ALERT.encode(), "application/xml"),
    Good("wechat text", "demo-wechat", WECHAT.encode(), "text/xml"),
    Good("wechat location", "demo-wechat", WECHAT_LOCATION.encode(), "text/xml"),
]  # fmt: skip
GOOD_JSON = [good for good in GOOD if good.fields]
GOOD_XML = [good for good in GOOD if not good.fields]
