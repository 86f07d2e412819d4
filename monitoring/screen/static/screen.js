// The page: one stream of figures in, text out. Everything from the data is set as text, never as HTML.

const TEXT = {
  zh: {
    title: "智治大脑", madeUp: "虚构数据", madeUpSays: "仅供演示，不描述任何真实情况",
    period: "统计期间", year: "近一年", month: "近30天", own: "自选", from: "起始日期", to: "截止日期",
    ownOrder: "起始日期不能晚于截止日期", ownMissing: "请填写起止日期",
    connecting: "正在连接", live: (time) => `实时 · ${time} 核对`, lost: (time) => `连接中断，正在重连${time ? ` · ${time} 的数据` : ""}`,
    busy: (time) => `数据暂不可用${time ? ` · ${time} 的数据` : ""}`,
    trouble: (time) => `数据暂不可用。${time ? `以下为 ${time} 的数据，` : ""}恢复后自动更新。`,
    figures: "主要指标", trend: "诉求受理", closedNow: "已办结", waitingNow: "尚未办结",
    feeds: "各渠道来件", feed: "渠道", reports: "来件", linked: "已并入", latest: "最近接收",
    matters: "最新合并的事项", workload: "在办与超期", agency: "主办单位（超期最多）", open: "在办", overdue: "超期",
    alerts: "未解除告警", manual: "人工队列", reason: "原因", waiting: "待派", oldest: "最早", now: "此刻",
    ofOpen: (n) => `在办 ${n}`, all: "合计", moreAlerts: (shown, total) => `此刻 · 显示 ${shown} / ${total}`,
    noMatters: "暂无合并的事项", noAgencies: "暂无在办诉求", noAlerts: "暂无未解除的告警", noManual: "暂无待人工派单的诉求",
    perDay: (n) => `日均 ${n}`, noDenominator: "无分母", never: "从未", piece: "件",
    repeats: (n) => `重复 ${n}`, joined: (n) => `他人同诉 ${n}`, rebounds: (n) => `反弹 ${n}`,
    share: (a, b) => `${a} / ${b}`, to_: "至",
    day: (c) => `${c.from} · 受理 ${c.accepted} · 已办结 ${c.closed} · 尚未办结 ${c.waiting}`,
    days: (c) => `${c.from} 至 ${c.to} · 受理 ${c.accepted} · 已办结 ${c.closed} · 尚未办结 ${c.waiting}`,
    chart: (c) => `${c.from} 至 ${c.to} 共受理 ${c.accepted} 件，其中已办结 ${c.closed} 件；单${c.unit}最多 ${c.most} 件（${c.mostOn}）。用左右方向键逐${c.unit}查看。`,
    units: { day: "日", month: "月" },
    language: "English",
    cohort: "诉求不含视频告警；各率均为 分子 / 分母，分母为零记作 -", zone: (zone) => `时间为 ${zone}`,
    span: (a, b) => `已有数据 ${a} 至 ${b}`, noSpan: "尚无诉求数据",
    weight: (w) => `满意率中基本满意按 ${w} 计`,
    levels: { grid: "网格", community: "社区", street: "街道", district: "区级" },
    severities: { critical: "严重", warning: "警告", info: "提示" },
    reasons: { no_kind: "类别不明", no_row: "责任清单无对应" },
    feedNames: {},
    names: {
      accepted: ["受理诉求", () => "期间内不重复的诉求"],
      responded: ["响应率", (d) => `${d.respond_within_hours} 小时内响应 / 已派单`],
      on_time: ["按时办结率", () => "按时办结 / 已办结或已到期"],
      closed: ["办结率", () => "已办结 / 受理"],
      solved: ["解决率", () => "回访已解决 / 回访有结论"],
      satisfied: ["满意率", () => "满意（加权）/ 已评价"],
      in_grid: ["网格内办结率", () => "网格内办结 / 已办结"],
      repeats: ["重复诉求率", () => "重复、同诉、反弹 / 受理"],
    },
  },
  en: {
    title: "Governance brain", madeUp: "Made-up data", madeUpSays: "for demonstration; describes nothing real",
    period: "Period", year: "Year", month: "30 days", own: "Dates", from: "First day", to: "Last day",
    ownOrder: "The first day must not be after the last", ownMissing: "Fill in both days",
    connecting: "Connecting", live: (time) => `Live · checked ${time}`, lost: (time) => `Connection lost, trying again${time ? ` · data of ${time}` : ""}`,
    busy: (time) => `Data unavailable${time ? ` · data of ${time}` : ""}`,
    trouble: (time) => `Data is unavailable for now. ${time ? `What you see is of ${time}; it` : "It"} updates by itself.`,
    figures: "Headline figures", trend: "Orders received", closedNow: "closed", waitingNow: "not closed yet",
    feeds: "Reports by feed", feed: "Feed", reports: "Reports", linked: "Merged", latest: "Last received",
    matters: "Newest merged matters", workload: "Open and overdue", agency: "Agency (most overdue)", open: "Open", overdue: "Overdue",
    alerts: "Open alerts", manual: "Manual queue", reason: "Reason", waiting: "Waiting", oldest: "Oldest", now: "now",
    ofOpen: (n) => `of ${n} open`, all: "All", moreAlerts: (shown, total) => `now · ${shown} of ${total} shown`,
    noMatters: "No merged matters", noAgencies: "No open orders", noAlerts: "No open alerts", noManual: "Nothing waits for manual routing",
    perDay: (n) => `${n} a day`, noDenominator: "no denominator", never: "never", piece: "reports",
    repeats: (n) => `${n} repeat`, joined: (n) => `${n} joined`, rebounds: (n) => `${n} rebound`,
    share: (a, b) => `${a} / ${b}`, to_: "to",
    day: (c) => `${c.from} · ${c.accepted} received · ${c.closed} closed · ${c.waiting} not yet`,
    days: (c) => `${c.from} to ${c.to} · ${c.accepted} received · ${c.closed} closed · ${c.waiting} not yet`,
    chart: (c) => `${c.accepted} orders from ${c.from} to ${c.to}, ${c.closed} of them closed; at most ${c.most} in a ${c.unit} (${c.mostOn}). Left and right arrow keys read each ${c.unit}.`,
    units: { day: "day", month: "month" },
    language: "中文",
    cohort: "Orders leave video alarms out; each rate is numerator / denominator, and - where that is zero", zone: (zone) => `Times are ${zone}`,
    span: (a, b) => `Data from ${a} to ${b}`, noSpan: "No orders yet",
    weight: (w) => `"Basically satisfied" counts ${w}`,
    levels: { grid: "Grid", community: "Community", street: "Street", district: "District" },
    severities: { critical: "Critical", warning: "Warning", info: "Note" },
    reasons: { no_kind: "kind unknown", no_row: "not in responsibility list" },
    feedNames: {
      hotline12345: "12345 hotline", police110: "110 non-police", citymgmt: "City management", video: "Video alarms",
      wechat: "WeChat", other: "Other channels",
    },
    names: {
      accepted: ["Orders", () => "distinct orders of the period"],
      responded: ["Response rate", (d) => `answered within ${d.respond_within_hours} h / dispatched`],
      on_time: ["On-time rate", () => "closed on time / closed or past due"],
      closed: ["Closing rate", () => "closed / received"],
      solved: ["Solve rate", () => "solved / revisits that could tell"],
      satisfied: ["Satisfaction", () => "satisfied (weighted) / rated"],
      in_grid: ["Closed in grid", () => "closed within grid / closed"],
      repeats: ["Repeat rate", () => "repeat, joined, rebound / received"],
    },
  },
};

const SVG = "http://www.w3.org/2000/svg";
const RETRY_MS = 10_000;
const DAY_MS = 86_400_000;
const $ = (id) => document.getElementById(id);

const state = {
  language: "zh", choice: "365", from: "", to: "",
  deployment: null, data: null, checkedAt: null, lost: false, unavailable: false, lastGood: null, marked: null,
};
let source = null;
let retry = 0;

// --- words and numbers -----------------------------------------------------------------------------------------------

const t = () => TEXT[state.language];
const locale = () => (state.language === "zh" ? "zh-CN" : "en-GB");
const zone = () => state.deployment?.timezone ?? "UTC";
const count = (n) => new Intl.NumberFormat(locale(), { maximumFractionDigits: 1 }).format(n);

/** 98.2%; never 100% unless it is all, never 0% unless it is none; "-" without a denominator. */
function percent(rate) {
  if (rate === null) return "-";
  const text = (rate * 100).toFixed(1);
  if (rate < 1 && text === "100.0") return ">99.9%";
  if (rate > 0 && text === "0.0") return "<0.1%";
  return `${text === "100.0" ? "100" : text === "0.0" ? "0" : text}%`;
}

function local(utc) {
  const parts = new Intl.DateTimeFormat("en-GB", {
    timeZone: zone(), year: "numeric", month: "2-digit", day: "2-digit", hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23",
  }).formatToParts(new Date(utc));
  return Object.fromEntries(parts.map((part) => [part.type, part.value]));
}

/** The shortest text that says when: the time today, else the day, with the year when it is another. */
function when(utc) {
  const at = local(utc);
  const today = local(Date.now());
  const day = `${at.month}-${at.day}`;
  if (at.year !== today.year) return `${at.year}-${day}`;
  return day === `${today.month}-${today.day}` ? `${at.hour}:${at.minute}` : `${day} ${at.hour}:${at.minute}`;
}

function moment(utc) {
  const at = local(utc);
  const today = local(Date.now());
  const time = `${at.hour}:${at.minute}:${at.second}`;
  const sameDay = at.year === today.year && at.month === today.month && at.day === today.day;
  return sameDay ? time : `${at.year}-${at.month}-${at.day} ${time}`;
}

// --- elements --------------------------------------------------------------------------------------------------------

/** An element with a class, text or children. Text is text: nothing from the data becomes HTML. */
function make(tag, className, content) {
  const element = document.createElement(tag);
  if (className) element.className = className;
  if (Array.isArray(content)) element.append(...content.filter((child) => child !== null));
  else if (content !== undefined) element.textContent = content;
  return element;
}

/** Text that is Chinese whatever the page's language is. */
function chinese(element) {
  if (state.language !== "zh") element.lang = "zh-CN";
  return element;
}

const named = (zh, en, fallback = "") => (state.language === "zh" ? zh : en) || zh || fallback;

function fill(id, children, nothing, columns) {
  if (children.length) return $(id).replaceChildren(...children);
  const text = make(columns ? "td" : "li", "nothing", nothing);
  if (columns) text.colSpan = columns;
  return $(id).replaceChildren(columns ? make("tr", "", [text]) : text);
}

function bar(parts) {
  const spans = parts.map(([className, share]) => {
    const span = make("span", className);
    span.style.width = `${share * 100}%`;
    return span;
  });
  const element = make("div", "bar", spans);
  element.setAttribute("aria-hidden", "true");
  return element;
}

function rowHead(children) {
  const head = make("th", "", children);
  head.scope = "row";
  return head;
}

// --- parts of the page -----------------------------------------------------------------------------------------------

function figure(f, days) {
  const [name, says] = t().names[f.name] ?? [f.name, () => ""];
  const children = [make("dt", "", name)];
  if (f.name === "accepted") {
    children.push(make("dd", "value", count(f.numerator)), make("dd", "parts", t().perDay(count(f.numerator / days))));
  } else {
    const value = make("dd", "value", percent(f.rate));
    if (f.rate === null) value.title = t().noDenominator;
    const share = make("div", "share", [make("span")]);
    share.firstChild.style.width = `${Math.min(1, f.rate ?? 0) * 100}%`;
    const shareCell = make("dd", "", [share]);
    shareCell.setAttribute("aria-hidden", "true");
    children.push(value, shareCell, make("dd", "parts", t().share(count(f.numerator), count(f.denominator))));
  }
  children.push(make("dd", "says", says(state.deployment)));
  return make("div", `figure ${f.name === "accepted" ? "accepted" : ""}`, children);
}

function feedRow(feed, most) {
  const known = state.deployment.feeds[feed.feed] ?? feed.feed;
  const translated = state.language === "en" ? t().feedNames[feed.feed] : known;
  const name = make("span", "", translated ?? known);
  return make("tr", "", [
    rowHead([translated ? name : chinese(name), bar([["", most ? feed.reports / most : 0]])]),
    make("td", "number", count(feed.reports)),
    make("td", "number", count(feed.linked)),
    make("td", "number quiet", feed.latest ? when(feed.latest) : t().never),
  ]);
}

function matterItem(matter) {
  const feeds = matter.feeds.map((feed) => (state.language === "en" && t().feedNames[feed]) || state.deployment.feeds[feed] || feed);
  const parts = [
    matter.joined ? t().joined(count(matter.joined)) : "", matter.repeats ? t().repeats(count(matter.repeats)) : "",
  ].filter(Boolean);
  const links = make("span", "", parts.join(" · "));
  const rebounds = matter.rebounds ? make("span", "waits", `${parts.length ? " · " : ""}${t().rebounds(count(matter.rebounds))}`) : null;
  const where = [named(matter.kind_zh, matter.kind_en), matter.street, ...feeds].filter(Boolean).join(" · ");
  const name = chinese(make("p", "name", matter.title || named(matter.kind_zh, matter.kind_en)));
  name.title = matter.title;
  return make("li", "", [
    name,
    make("p", "size", [make("strong", "", count(matter.reports)), ` ${t().piece}`]),
    make("p", "about", where),
    make("p", "when", [links, rebounds, ` · ${when(matter.latest)}`]),
  ]);
}

function levelCell(name, load) {
  return make("div", "", [
    make("dt", "", name),
    make("dd", load.overdue ? "late" : "", [make("strong", "", count(load.overdue)), make("small", "", ` ${t().overdue}`)]),
    make("dd", "of", t().ofOpen(count(load.open))),
  ]);
}

function agencyRow(agency, most) {
  const name = make("span", "", named(agency.name_zh, agency.name_en));
  const shares = [["late-part", agency.overdue / most], ["", (agency.open - agency.overdue) / most]];
  return make("tr", "", [
    rowHead([name, bar(shares)]),
    make("td", agency.overdue ? "number late" : "number", count(agency.overdue)),
    make("td", "number", count(agency.open)),
  ]);
}

function alertItem(alert) {
  return make("li", "", [
    make("p", `severity ${alert.severity}`, t().severities[alert.severity] ?? alert.severity),
    chinese(make("p", "summary", alert.summary)),
    make("p", "when", when(alert.raised_at)),
  ]);
}

function manualRow(queue) {
  return make("tr", "", [
    rowHead([make("span", "", t().reasons[queue.reason] ?? queue.reason)]),
    make("td", "number waits", count(queue.waiting)),
    make("td", "number quiet", when(queue.oldest)),
  ]);
}

// --- chart -----------------------------------------------------------------------------------------------------------

function niceTop(most) {
  const power = 10 ** Math.floor(Math.log10(Math.max(most, 1)));
  return [1, 2, 4, 5, 10].map((n) => n * power).find((n) => n >= most && n >= 2);
}

function svg(tag, attributes, text) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  if (text !== undefined) element.textContent = text;
  return element;
}

/** Which bars get a label below: firsts of months on long stretches, else every few. */
function labels(entries, unit, step) {
  const all = entries.map((entry, index) => ({ index, day: entry.from }));
  const firsts = unit === "day" && entries.length > 62 ? all.filter(({ day }) => day.endsWith("-01")) : all;
  const every = Math.ceil(72 / (step * (entries.length / Math.max(firsts.length, 1))));
  return firsts.filter((_, place) => place % every === 0).map(({ index, day }) => ({
    index, text: unit === "month" || firsts !== all ? day.slice(0, 7) : day.slice(5),
  }));
}

function geometry() {
  const box = $("chart").getBoundingClientRect();
  const rem = Number.parseFloat(getComputedStyle(document.documentElement).fontSize);
  return { width: box.width, height: box.height, left: 3 * rem, bottom: 1.6 * rem, rem };
}

function drawChart() {
  const { unit, entries } = state.data.trend;
  const { width, height, left, bottom, rem } = geometry();
  if (width < 1 || height < 1) return;
  const top = niceTop(Math.max(...entries.map((entry) => entry.accepted)));
  const high = height - bottom - rem * 0.6;
  const floor = height - bottom;
  const step = (width - left) / entries.length;
  const gap = step > 12 ? 3 : step > 5 ? 1 : 0;
  const picture = svg("svg", { "aria-hidden": "true" });
  for (const value of [0, top / 2, top]) {
    const y = Math.round(floor - (value / top) * high) + 0.5;
    picture.append(svg("line", { class: "grid", x1: left, x2: width, y1: y, y2: y }));
    picture.append(svg("text", { x: left - rem * 0.5, y: y + rem * 0.3, "text-anchor": "end" }, count(value)));
  }
  const rectangle = (index, from, to) =>
    `M${(left + index * step).toFixed(2)} ${(floor - (from / top) * high).toFixed(2)}V${(floor - (to / top) * high).toFixed(2)}h${(step - gap).toFixed(2)}V${(floor - (from / top) * high).toFixed(2)}z`;
  const path = (className, piece) => picture.append(svg("path", { class: className, d: entries.map(piece).join("") }));
  path("closed", (entry, index) => (entry.closed ? rectangle(index, 0, entry.closed) : ""));
  path("waiting", (entry, index) => (entry.accepted > entry.closed ? rectangle(index, entry.closed, entry.accepted) : ""));
  for (const { index, text } of labels(entries, unit, step)) {
    const x = left + index * step + (unit === "month" || entries.length <= 62 ? (step - gap) / 2 : 0);
    const anchor = x + 2 * rem > width ? "end" : "middle";
    picture.append(svg("text", { x: Math.min(x, width), y: height - rem * 0.3, "text-anchor": anchor }, text));
  }
  if (state.marked !== null && state.marked < entries.length) {
    const x = left + (state.marked + 0.5) * step - gap / 2;
    picture.append(svg("line", { class: "mark", x1: x, x2: x, y1: floor - high, y2: floor }));
  }
  $("chart").replaceChildren(picture);
}

function readChart() {
  const { unit, entries } = state.data.trend;
  const told = (entry) => ({
    from: entry.from, to: entry.to, accepted: count(entry.accepted), closed: count(entry.closed), waiting: count(entry.accepted - entry.closed),
  });
  const entry = state.marked === null ? null : entries[state.marked];
  const { from, to } = state.data.period;
  $("readout").textContent = entry ? (entry.from === entry.to ? t().day : t().days)(told(entry)) : `${from} ${t().to_} ${to}`;
  const most = entries.reduce((best, next) => (next.accepted > best.accepted ? next : best));
  const sum = (name) => entries.reduce((total, next) => total + next[name], 0);
  $("chart").setAttribute("aria-label", entry
    ? $("readout").textContent
    : t().chart({ from, to, accepted: count(sum("accepted")), closed: count(sum("closed")), most: count(most.accepted), mostOn: most.from, unit: t().units[unit] }));
}

function mark(index) {
  if (!state.data) return;
  state.marked = index === null ? null : Math.max(0, Math.min(state.data.trend.entries.length - 1, index));
  drawChart();
  readChart();
}

// --- the whole page --------------------------------------------------------------------------------------------------

function renderStatus() {
  const time = state.checkedAt ? moment(state.checkedAt) : "";
  const waiting = state.lost || state.unavailable || !state.data;
  const text = state.lost ? t().lost(time) : state.unavailable ? t().busy(time) : state.data ? t().live(time) : t().connecting;
  $("status").classList.toggle("waiting", waiting);
  $("status-text").textContent = text;
  const trouble = state.unavailable ? t().trouble(state.lastGood ? moment(state.lastGood) : "") : "";
  // Set only when it changes: it is read out each time.
  if ($("trouble").textContent !== trouble) $("trouble").textContent = trouble;
  $("trouble").hidden = !trouble;
  $("main").classList.toggle("old", Boolean(state.data) && (state.lost || state.unavailable));
}

function renderWords() {
  document.documentElement.lang = state.language === "zh" ? "zh-CN" : "en";
  for (const element of document.querySelectorAll("[data-t]")) element.textContent = t()[element.dataset.t];
  $("language").textContent = t().language;
  $("language").lang = state.language === "zh" ? "en" : "zh-CN";
  const place = state.deployment ? named(state.deployment.name_zh, state.deployment.name_en) : "";
  $("place").textContent = place;
  $("made-up").hidden = !state.deployment?.made_up;
  document.title = [t().title, place].filter(Boolean).join(" · ");
}

function renderData() {
  const { data } = state;
  if (!data || !state.deployment) return;
  const days = (Date.parse(data.period.to) - Date.parse(data.period.from)) / DAY_MS + 1;
  $("figures").replaceChildren(...data.figures.map((f) => figure(f, days)));
  const busiest = Math.max(...data.feeds.map((feed) => feed.reports), 0);
  fill("feeds", data.feeds.map((feed) => feedRow(feed, busiest)), "-", 4);
  fill("matters", data.matters.map(matterItem), t().noMatters);
  const { workload, alerts } = data;
  $("levels").replaceChildren(levelCell(t().all, workload), ...workload.levels.map((load) => levelCell(t().levels[load.level], load)));
  const most = Math.max(...workload.agencies.map((agency) => agency.open), 1);
  fill("agencies", workload.agencies.map((agency) => agencyRow(agency, most)), t().noAgencies, 3);
  fill("alerts", alerts.shown.map(alertItem), t().noAlerts);
  fill("manual", workload.manual.map(manualRow), t().noManual, 3);
  for (const scope of document.querySelectorAll("[data-scope]")) {
    scope.textContent = scope.dataset.scope === "now" ? t().now : `${data.period.from} ${t().to_} ${data.period.to}`;
  }
  if (alerts.total > alerts.shown.length) {
    document.querySelector(".alerts .scope").textContent = t().moreAlerts(alerts.shown.length, count(alerts.total));
  }
  const notes = [
    data.span ? t().span(data.span.from, data.span.to) : t().noSpan, t().cohort,
    t().weight(state.deployment.basic_satisfied_weight), t().zone(state.deployment.timezone),
  ];
  $("footer").replaceChildren(...notes.map((note) => make("span", "", note)));
  if (data.span && !$("from").value) {
    $("from").value = data.period.from;
    $("to").value = data.period.to;
  }
  mark(state.marked);
}

function render() {
  renderWords();
  renderStatus();
  renderData();
}

// --- the stream ------------------------------------------------------------------------------------------------------

function query() {
  return state.choice === "own" ? { from: state.from, to: state.to } : { days: state.choice };
}

async function learnDeployment() {
  if (state.deployment) return;
  const answer = await fetch("/api/deployment");
  state.deployment = await answer.json();
  renderWords();
}

function listen() {
  source?.close();
  clearTimeout(retry);
  const stream = new EventSource(`/events?${new URLSearchParams(query())}`);
  source = stream;
  const on = (name, act) => stream.addEventListener(name, async (event) => {
    try {
      await learnDeployment();
    } catch {
      return; // the server is going away: the stream ends, too, and is opened again
    }
    if (source !== stream) return; // the reader chose another period meanwhile
    state.lost = false;
    act(JSON.parse(event.data));
    renderStatus();
  });
  on("brain", (data) => {
    Object.assign(state, { data, checkedAt: data.taken_at, unavailable: false });
    renderData();
  });
  on("checked", ({ taken_at }) => Object.assign(state, { checkedAt: taken_at, unavailable: false }));
  on("unavailable", ({ last_good }) => Object.assign(state, { unavailable: true, lastGood: last_good ?? state.checkedAt }));
  stream.onerror = () => {
    if (source !== stream) return;
    state.lost = true;
    renderStatus();
    if (stream.readyState === EventSource.CLOSED) retry = setTimeout(listen, RETRY_MS);
  };
}

// --- the reader's choices --------------------------------------------------------------------------------------------

/** Keeps the choice in the address, so that a wall or a bookmark shows the same again. */
function remember() {
  const kept = new URLSearchParams({ ...(state.choice === "365" ? {} : query()), ...(state.language === "zh" ? {} : { lang: state.language }) });
  history.replaceState(null, "", kept.size ? `?${kept}` : "/");
}

function recall() {
  const kept = new URLSearchParams(location.search);
  if (kept.get("lang") === "en") state.language = "en";
  if (kept.get("days") === "30") state.choice = "30";
  if (kept.get("from") && kept.get("to")) {
    Object.assign(state, { choice: "own", from: kept.get("from"), to: kept.get("to") });
    $("from").value = state.from;
    $("to").value = state.to;
  }
  for (const input of document.querySelectorAll("input[name=choice]")) input.checked = input.value === state.choice;
  $("own-days").hidden = state.choice !== "own";
}

function chosen() {
  const choice = new FormData($("period")).get("choice");
  $("own-days").hidden = choice !== "own";
  const [from, to] = [$("from").value, $("to").value];
  const error = choice !== "own" ? "" : !from || !to ? t().ownMissing : from > to ? t().ownOrder : "";
  $("own-error").textContent = error;
  if (error) return;
  const before = JSON.stringify(query());
  Object.assign(state, { choice, from, to });
  if (JSON.stringify(query()) === before) return;
  state.marked = null;
  remember();
  listen();
}

$("period").addEventListener("change", chosen);
$("period").addEventListener("submit", (event) => event.preventDefault());
$("language").addEventListener("click", () => {
  state.language = state.language === "zh" ? "en" : "zh";
  $("own-error").textContent = "";
  remember();
  render();
});
$("chart").addEventListener("pointermove", (event) => {
  if (!state.data) return;
  const { left, width } = geometry();
  const x = event.clientX - $("chart").getBoundingClientRect().left - left;
  mark(x < 0 ? null : Math.floor((x / (width - left)) * state.data.trend.entries.length));
});
$("chart").addEventListener("pointerleave", () => mark(null));
$("chart").addEventListener("blur", () => mark(null));
$("chart").addEventListener("keydown", (event) => {
  const move = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
  if (!move || !state.data) return;
  event.preventDefault();
  mark(state.marked === null ? (move < 0 ? Infinity : 0) : state.marked + move);
});
new ResizeObserver(() => state.data && drawChart()).observe($("chart"));
document.addEventListener("visibilitychange", () => {
  // A page nobody sees asks for nothing.
  if (document.hidden) source?.close();
  else listen();
});

recall();
render();
listen();
