// The page: one stream of figures in, text out. Everything from the data is set as text, never as HTML.

import { drawMap } from "./map.js";
import { make, svg } from "./make.js";
import { openDrill, listTier, sayDrill } from "./drill.js";
import { TEXT } from "./words.js";

const RETRY_MS = 10_000;
const DAY_MS = 86_400_000;
const $ = (id) => document.getElementById(id);

const state = {
  language: "zh", choice: "365", from: "", to: "",
  deployment: null, outlines: [], health: [], data: null, checkedAt: null, lost: false, unavailable: false, lastGood: null, marked: null,
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

/** Text that is Chinese whatever the page's language is. */
function chinese(element) {
  if (state.language !== "zh") element.lang = "zh-CN";
  return element;
}

const named = (zh, en, fallback = "") => (state.language === "zh" ? zh : en) || zh || fallback;

/** Fills a list or a table's body; what is the same stays, so that a screen reader is told of changes only. */
function fill(id, children, nothing, columns) {
  if (!children.length) {
    const text = make(columns ? "td" : "li", "nothing", nothing);
    if (columns) text.colSpan = columns;
    children = [columns ? make("tr", "", [text]) : text];
  }
  const old = [...$(id).children];
  if (old.length === children.length && old.every((child, index) => child.isEqualNode(children[index]))) return;
  $(id).replaceChildren(...children);
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

/** A small curve: what the figure did over the period. Gaps where there was no denominator. */
function curve(values) {
  const known = values.filter((value) => value !== null);
  const picture = svg("svg", { class: "curve", viewBox: "0 0 100 24", preserveAspectRatio: "none", "aria-hidden": "true" });
  if (known.length < 2) return picture;
  const [low, high] = [Math.min(...known), Math.max(...known)];
  const y = (value) => (high === low ? 12 : 22 - ((value - low) / (high - low)) * 20);
  const step = 100 / (values.length - 1);
  let pen = "M";
  const line = values.map((value, index) => {
    if (value === null) { pen = "M"; return ""; }
    const piece = `${pen}${(index * step).toFixed(2)} ${y(value).toFixed(2)}`;
    pen = "L";
    return piece;
  }).join("");
  picture.append(svg("path", { d: line }));
  return picture;
}

/** 环比: percent of a count, points of a rate; nothing where there is nothing before. */
function change(f) {
  const before = state.data.before?.find((one) => one.name === f.name);
  if (!before) return null;
  const share = f.name === "accepted" ? before.numerator && (f.numerator - before.numerator) / before.numerator : f.rate !== null && before.rate !== null && f.rate - before.rate;
  if (typeof share !== "number" || (f.name === "accepted" && !before.numerator)) return null;
  const sign = share > 0 ? "+" : share < 0 ? "-" : "±";
  const size = (Math.abs(share) * 100).toFixed(1);
  return make("dd", "change", `${t().against} ${sign}${f.name === "accepted" ? `${size}%` : t().points(size)}`);
}

function figure(f, days) {
  const [name, says] = t().names[f.name] ?? [f.name, () => ""];
  const open = make("button", "opens", name);
  open.type = "button";
  open.addEventListener("click", () => drill({ figure: f.name }));
  const isCount = f.name === "accepted";
  const value = make("dd", "value", isCount ? count(f.numerator) : percent(f.rate));
  if (!isCount && f.rate === null) value.title = t().noDenominator;
  const curveCell = make("dd", "", [curve(state.data.curves.find((one) => one.name === f.name)?.values ?? [])]);
  curveCell.setAttribute("aria-hidden", "true");
  const parts = make("dd", "parts", isCount ? t().perDay(count(f.numerator / days)) : t().share(count(f.numerator), count(f.denominator)));
  return make("div", `figure ${isCount ? "accepted" : ""}`, [make("dt", "", [open]), value, change(f), parts, curveCell, make("dd", "says", says(state.deployment))]);
}

/** Opens the orders behind something, for the days shown. */
const drill = (wanted) => openDrill({ ...query(), ...wanted });

function feedRow(feed, most) {
  const known = state.deployment.feeds[feed.feed] ?? feed.feed;
  const translated = state.language === "en" ? t().feedNames[feed.feed] : known;
  const name = make("span", "feed-name", translated ?? known);
  name.title = translated ?? known;
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

function overdueItem(one) {
  const days = Math.floor((Date.now() - Date.parse(one.due_at)) / DAY_MS);
  const name = one.title === null ? make("p", "name quiet", t().hidden) : chinese(make("p", "name", one.title || named(one.kind_zh, one.kind_en)));
  return make("li", "", [
    name,
    make("p", "late", t().late(count(Math.max(0, days)))),
    make("p", "about", [named(one.kind_zh, one.kind_en), one.agency].filter(Boolean).join(" · ")),
    make("p", "when", `${t().due} ${when(one.due_at)}`),
  ]);
}

function tierRow(tier, agencies) {
  const names = agencies.slice(0, 4).map((agency) => named(agency.name_zh, agency.name_en));
  const open = make("button", "opens", `${tier} ${t().tierNames[tier]}`);
  open.type = "button";
  open.addEventListener("click", () => listTier(`${t().tiers} · ${tier} ${t().tierNames[tier]}`, agencies, drillAgency));
  return make("tr", "", [
    rowHead([open]),
    make("td", "number", t().tierOf(count(agencies.length))),
    make("td", "names quiet", names.join(state.language === "zh" ? "、" : ", ") + (agencies.length > 4 ? " …" : "")),
  ]);
}

/** The orders of an agency in the month its tier is of. */
function drillAgency(agency) {
  const first = new Date(`${state.data.tiers.month}T00:00:00Z`);
  const last = new Date(Date.UTC(first.getUTCFullYear(), first.getUTCMonth() + 1, 0));
  openDrill({ from: state.data.tiers.month, to: last.toISOString().slice(0, 10), figure: "solved", agency_code: agency.agency_code });
}

function seasonItem(season) {
  return make("li", "", [
    make("p", "name", [named(season.kind_zh, season.kind_en), " · ", season.area || t().whole].join("")),
    make("p", season.is_due ? "waits" : "quiet", season.is_due ? t().isDue : ""),
    make("p", "about", t().weekly(count(season.expected), count(season.usual))),
    make("p", "when", `${season.starts_on.slice(5)} ${t().to_} ${season.ends_on.slice(5)}`),
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

// --- map and health --------------------------------------------------------------------------------------------------

function renderMap() {
  const { areas, grids, hot } = state.data;
  const names = new Map(state.outlines.map((one) => [one.code, one.name]));
  drawMap($("map"), state.outlines, [...areas, ...grids], hot, ({ kind, code }) => drill({ [`${kind}_code`]: code }), count);
  const top = [...areas].sort((a, b) => b.accepted - a.accepted || (a.code < b.code ? -1 : 1)).slice(0, 5);
  $("map").setAttribute("aria-label", top.length && state.outlines.length
    ? t().mapSays({ places: count(areas.length), most: names.get(top[0].code) ?? top[0].code, accepted: count(top[0].accepted), hot: count(hot.length) })
    : t().mapNone);
  fill("places", top.map((area) => {
    const open = chinese(make("button", "opens", names.get(area.code) ?? area.code));
    open.type = "button";
    open.addEventListener("click", () => drill({ community_code: area.code }));
    return make("tr", "", [rowHead([open]), make("td", "number", count(area.accepted)), make("td", "number quiet", count(area.open))]);
  }), "-", 3);
  fill("hot", hot.slice(0, 5).map((point) => {
    const open = make("button", "opens", named(point.kind_zh, point.kind_en, "-"));
    open.type = "button";
    open.addEventListener("click", () => drill({ community_code: point.community_code, matter_kind: point.matter_kind }));
    return make("li", "", [
      make("p", "name", [open, " ", chinese(make("span", "quiet", names.get(point.community_code) ?? ""))]),
      make("p", "when", t().hotSays({ ...point, callers: count(point.callers), reports: count(point.reports) })),
    ]);
  }), t().noHot);
}

function renderHealth() {
  $("health").replaceChildren(...state.health.map(({ name, state: how }) => {
    const item = make("li", how, [make("span", "dot"), make("span", "", t().health[name] ?? name), make("span", "unseen", ` ${t().healthStates[how]}`)]);
    item.title = t().healthStates[how];
    return item;
  }));
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
  fill("overdue", data.overdue.map(overdueItem), t().noOverdue);
  const tiers = ["A", "B", "C", "D"].map((tier) => [tier, data.tiers.agencies.filter((one) => one.tier === tier)]);
  fill("tiers", data.tiers.month ? tiers.map(([tier, agencies]) => tierRow(tier, agencies)) : [], t().noTiers, 3);
  $("tier-month").textContent = data.tiers.month ? t().tierMonth(data.tiers.month.slice(0, 7)) : "";
  fill("seasons", data.seasons.map(seasonItem), t().noSeasons);
  renderMap();
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
  renderHealth();
  sayDrill(t(), { count, percent, when, named, chinese, deployment: state.deployment });
}

// --- the stream ------------------------------------------------------------------------------------------------------

function query() {
  return state.choice === "own" ? { from: state.from, to: state.to } : { days: state.choice };
}

async function learnDeployment() {
  if (state.deployment) return;
  const [deployment, outlines] = await Promise.all(["/api/deployment", "/api/map"].map(async (path) => (await fetch(path)).json()));
  Object.assign(state, { deployment, outlines });
  render();
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
  on("health", (health) => {
    state.health = health;
    renderHealth();
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
  history.replaceState(null, "", (kept.size ? `?${kept}` : "/") + location.hash);
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
new ResizeObserver(() => state.data && renderMap()).observe($("map"));
document.addEventListener("visibilitychange", () => {
  // A page nobody sees asks for nothing.
  if (document.hidden) source?.close();
  else listen();
});

recall();
render();
listen();
