// Times, sizes and numbers as people read them.

import { el, setText } from "./dom.js";

const RELATIVE = new Intl.RelativeTimeFormat("en", { numeric: "auto" });
const NUMBER = new Intl.NumberFormat("en");
const EXACT = new Intl.DateTimeFormat("en-GB", {
  year: "numeric", month: "short", day: "numeric", hour: "2-digit", minute: "2-digit", second: "2-digit",
  timeZoneName: "short",
});
const UNITS = [["day", 86_400], ["hour", 3600], ["minute", 60], ["second", 1]];

export function relative(time, now = Date.now()) {
  const seconds = Math.round((Date.parse(time) - now) / 1000);
  if (Math.abs(seconds) < 5) return "just now";
  const [unit, length] = UNITS.find(([, length]) => Math.abs(seconds) >= length);
  return RELATIVE.format(Math.trunc(seconds / length), unit);
}

/** A time, relative to now, with the exact one on hover. It stays right while it is on the page. */
export function ago(time, { exact = false } = {}) {
  const text = exact ? utc(time) : relative(time);
  return el("time", { datetime: time, title: `${utc(time)}\n${EXACT.format(new Date(time))}`, text, class: exact ? null : "relative" });
}

/** `2025-12-01 00:00:00 UTC`. */
export function utc(time) {
  const [date, clock] = new Date(time).toISOString().split("T");
  return `${date} ${clock.slice(0, 8)} UTC`;
}

function refresh() {
  for (const element of document.querySelectorAll("time.relative")) setText(element, relative(element.dateTime));
}
setInterval(refresh, 5000);

export function number(value) {
  return NUMBER.format(value);
}

/** `24.1 MB`: decimal units, as stores and browsers use them. */
export function bytes(value) {
  if (value < 1000) return `${value} B`;
  const units = ["kB", "MB", "GB", "TB"];
  let unit = -1;
  let rest = value;
  while (rest >= 999.5 && unit < units.length - 1) {
    rest /= 1000;
    unit += 1;
  }
  return `${rest.toFixed(rest < 10 ? 1 : 0)} ${units[unit]}`;
}

/** `4 s`, `3 min 20 s`, `2 h 5 min`. */
export function duration(seconds) {
  if (seconds < 1) return "less than 1 s";
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`;
}

export function plural(count, one, many = `${one}s`) {
  return `${number(count)} ${count === 1 ? one : many}`;
}
