// The map of the district: one shape per grid (per community where no grid has an outline), the brighter the more orders; circles
// where trouble gathers now.

import { svg } from "./make.js";

const STEPS = 5;

/** Draws into a box. outlines: rings in degrees; areas: counts of communities and grids by code; hot: points; open(outline) when one is chosen. */
export function drawMap(box, outlines, areas, hot, open, count) {
  const { width, height } = box.getBoundingClientRect();
  const shapes = outlines.filter((one) => one.rings.length);
  const points = outlines.flatMap((one) => (one.rings.length ? one.rings.flat() : [one.point]));
  if (width < 1 || height < 1 || !points.length) return box.replaceChildren();
  const place = projection(points, width, height);
  const filled = shapes.some(({ kind }) => kind === "grid") ? "grid" : "community";
  const told = new Map(areas.map((area) => [area.code, area]));
  const counts = new Map(outlines.filter(({ kind }) => kind === filled).map(({ code }) => [code, told.get(code)]));
  const step = steps([...counts.values()].flatMap((area) => (area ? [area.accepted] : [])));
  const picture = svg("svg", { "aria-hidden": "true", viewBox: `0 0 ${width} ${height}` });
  for (const one of shapes.filter(({ kind }) => kind === filled)) {
    const area = counts.get(one.code);
    const path = svg("path", { class: `area step-${area ? step(area.accepted) : 0}`, d: outline(one.rings, place) });
    path.append(svg("title", {}, `${one.name} ${count(area?.accepted ?? 0)}`));
    path.addEventListener("click", () => open(one));
    picture.append(path);
  }
  for (const one of shapes.filter(({ kind }) => kind === "street" || (kind === "community" && filled === "grid"))) {
    picture.append(svg("path", { class: one.kind, d: outline(one.rings, place) }));
  }
  for (const one of outlines.filter(({ rings }) => !rings.length)) {
    const area = told.get(one.code);
    const [x, y] = place(one.point);
    const dot = svg("circle", { class: `area step-${area ? step(area.accepted) : 0}`, cx: x, cy: y, r: 5 });
    dot.append(svg("title", {}, `${one.name} ${count(area?.accepted ?? 0)}`));
    dot.addEventListener("click", () => open(one));
    picture.append(dot);
  }
  const rem = Number.parseFloat(getComputedStyle(document.documentElement).fontSize);
  for (const one of shapes.filter(({ kind }) => kind === "street")) {
    const [x, y] = place(one.point);
    picture.append(svg("text", { x, y, "text-anchor": "middle", lang: "zh-CN" }, one.name));
  }
  const most = Math.max(...hot.map((point) => point.reports), 1);
  for (const point of hot) {
    const [x, y] = place([point.lon, point.lat]);
    const circle = svg("circle", { class: "hot", cx: x, cy: y, r: rem * (0.35 + 0.65 * Math.sqrt(point.reports / most)) });
    circle.append(svg("title", {}, `${point.kind_zh} ${count(point.reports)}`));
    picture.append(circle);
  }
  box.replaceChildren(picture);
}

/** Degrees to pixels: as wide as the cosine of the latitude says, in the middle of the box. */
function projection(points, width, height) {
  const bounds = (index) => points.reduce(([least, most], point) => [Math.min(least, point[index]), Math.max(most, point[index])], [Infinity, -Infinity]);
  const [[west, east], [south, north]] = [bounds(0), bounds(1)];
  const narrow = Math.cos(((south + north) / 2) * (Math.PI / 180));
  const scale = 0.96 * Math.min(width / Math.max((east - west) * narrow, 1e-6), height / Math.max(north - south, 1e-6));
  const [left, top] = [(width - (east - west) * narrow * scale) / 2, (height - (north - south) * scale) / 2];
  return ([lon, lat]) => [left + (lon - west) * narrow * scale, top + (north - lat) * scale];
}

const outline = (rings, place) => rings.map((ring) => `M${ring.map((point) => place(point).map((n) => n.toFixed(1)).join(" ")).join("L")}z`).join("");

/** 1 to STEPS by how many places have fewer; 0 for none. */
function steps(values) {
  const sorted = [...values].sort((a, b) => a - b);
  return (value) => (value ? Math.min(STEPS, 1 + Math.floor((sorted.findIndex((other) => other >= value) / sorted.length) * STEPS)) : 0);
}
