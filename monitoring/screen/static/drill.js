// The orders behind a figure: a dialog with its own address (#figure=...), the cases page by page, and the SQL.

import { button, make } from "./make.js";

const $ = (id) => document.getElementById(id);
let words = null;
let tools = null;
let wanted = null;
let answer = null;
let asked = 0;

/** The words and formats of the page; said again when the language changes. */
export function sayDrill(text, helpers) {
  [words, tools] = [text, helpers];
  if (wanted && answer) show();
  if (!wanted && tools.deployment && location.hash.length > 1) follow();
}

/** Opens the orders behind something and puts it into the address. */
export function openDrill(question) {
  const hash = new URLSearchParams({ figure: "accepted", part: "all", page: "1", ...question });
  history.pushState(null, "", `${location.pathname}${location.search}#${hash}`);
  follow();
}

/** A tier's agencies, in order of code. */
export function listTier(title, agencies, open) {
  wanted = null;
  $("drill-title").textContent = title;
  const rows = agencies.map((agency) => row([
    button("opens", tools.named(agency.name_zh, agency.name_en), () => open(agency)), words.levels[agency.level] ?? agency.level, tools.count(agency.orders), agency.score.toFixed(1),
  ], [2, 3]));
  $("drill-body").replaceChildren(make("p", "quiet", words.sameTier), table([words.unitName, words.level, words.orders, words.score], rows, [2, 3]));
  raise();
}

function raise() {
  $("drill-close").textContent = words.close;
  if (!$("drill").open) $("drill").showModal();
}

async function follow() {
  wanted = Object.fromEntries(new URLSearchParams(location.hash.slice(1)));
  answer = null;
  const mine = (asked += 1);
  $("drill-title").textContent = words.names[wanted.figure]?.[0] ?? words.cases;
  $("drill-body").replaceChildren(make("p", "quiet", words.loading));
  raise();
  let found;
  try {
    const response = await fetch(`/api/cases?${new URLSearchParams(wanted)}`);
    found = await response.json();
  } catch {
    found = { error: words.busy("") };
  }
  if (mine !== asked || !wanted) return; // another question came meanwhile, or the dialog was closed
  answer = found;
  show();
}

function show() {
  $("drill-title").textContent = words.names[wanted.figure]?.[0] ?? words.cases;
  $("drill-close").textContent = words.close;
  if (answer.error) return $("drill-body").replaceChildren(make("p", "late", answer.error));
  const pages = Math.max(1, Math.ceil(answer.total / 50));
  const page = Number(wanted.page);
  const { when, named, chinese, count } = tools;
  const isCount = wanted.figure === "accepted";
  const rows = answer.cases.map((one) => row([
    one.upstream_id,
    one.title === null ? make("span", "quiet", words.hidden) : chinese(make("span", "", one.title || "-")),
    named(one.kind_zh, one.kind_en), chinese(make("span", "", one.agency)), make("span", "moment", when(one.reported_at)), one.closed_at ? make("span", "moment", when(one.closed_at)) : make("span", "waits", words.stillOpen),
    ...(isCount ? [] : [one.counts ? words.yes : words.no]),
  ]));
  const head = [words.number, words.what, words.cases, words.who, words.reported, words.closedAt, ...(isCount ? [] : [words.counts])];
  $("drill-body").replaceChildren(
    make("div", "drill-top", [
      isCount ? null : parts(),
      make("p", "quiet", `${words.total(count(answer.total))} · ${words.page(count(page), count(pages))}`),
      button("plain", words.back, () => turn(page - 1)), button("plain", words.next, () => turn(page + 1)),
    ].filter(Boolean)),
    rows.length ? table(head, rows) : make("p", "nothing", words.nothing),
    sql(),
  );
  const [back, next] = $("drill-body").querySelectorAll(".drill-top > .plain");
  back.disabled = page <= 1;
  next.disabled = page >= pages;
}

function parts() {
  const set = make("div", "parts-choice", Object.entries(words.parts).map(([part, name]) => {
    const choice = button("plain", name, () => openDrill({ ...wanted, part, page: "1" }));
    choice.setAttribute("aria-pressed", String(part === wanted.part));
    return choice;
  }));
  set.setAttribute("role", "group");
  return set;
}

const turn = (page) => openDrill({ ...wanted, page: String(page) });

function sql() {
  const texts = [[words.sqlFigure, answer.figure_sql], [words.sqlCases, answer.sql]];
  const details = make("details", "", [make("summary", "", words.sql), ...texts.map(([name, text]) => {
    const copy = button("plain", words.copy, async () => {
      await navigator.clipboard.writeText(text);
      copy.textContent = words.copied;
    });
    return make("div", "", [make("p", "sql-head", [make("span", "", name), navigator.clipboard ? copy : null]), make("pre", "", text)]);
  })]);
  return details;
}

function row(cells, numbers = []) {
  return make("tr", "", cells.map((cell, index) => make("td", numbers.includes(index) ? "number" : "", cell instanceof Node ? [cell] : cell)));
}

function table(head, rows, numbers = []) {
  const heads = head.map((name, index) => {
    const cell = make("th", numbers.includes(index) ? "number" : "", name);
    cell.scope = "col";
    return cell;
  });
  return make("div", "wide", [make("table", "", [make("thead", "", [make("tr", "", heads)]), make("tbody", "", rows)])]);
}

function forget() {
  if ($("drill").open) return; // opened again before the browser told that it was closed
  [wanted, answer] = [null, null];
  if (location.hash) history.pushState(null, "", location.pathname + location.search);
}

$("drill").addEventListener("close", forget);
$("drill").addEventListener("click", (event) => event.target === $("drill") && $("drill").close());
$("drill-close").addEventListener("click", () => $("drill").close());
addEventListener("popstate", () => {
  if (location.hash.length > 1) follow();
  else if ($("drill").open) $("drill").close();
});
