// The body of a create, from the values of the form. What has its default is left out, as the API does.

/** Values of a form that has these controls; `columns` is what `Columns` returns. */
export function requestOf(form, columns) {
  const values = new FormData(form);
  const text = (name) => (values.get(name) ?? "").trim();
  const inbound = text("direction") === "inbound";
  const endpoints = text("endpoints").split(/[\s,]+/).filter(Boolean);
  const prefix = inbound ? "inbound_endpoint_id" : "endpoint_id";
  const format = text("format");
  const request = {
    start_time: time(text("start")),
    end_time: time(text("end")),
    direction: inbound ? "inbound" : undefined,
    ...oneOrMany("status", "statuses", values.getAll("status")),
    ...oneOrMany(prefix, `${prefix}s`, endpoints),
    label: text("label") || undefined,
    format: format === "csv" ? undefined : format,
    compression: text("compression") || undefined,
    columns,
    timezone: text("timezone") || undefined,
    csv: format === "csv" ? dialect(values) : undefined,
    max_rows_per_file: text("max_rows") ? Number(text("max_rows")) : undefined,
  };
  return JSON.parse(JSON.stringify(request));
}

/** What the person has to complete before the service can be asked; `null` if nothing. */
export function missing({ start_time: start, end_time: end, columns }) {
  if (!start || !end) return "Choose the start and the end.";
  if (start >= end) return "The end must be after the start.";
  if (columns && columns.length === 0) return "Choose at least one column.";
  return null;
}

function oneOrMany(one, many, values) {
  if (values.length === 0) return {};
  return values.length === 1 ? { [one]: values[0] } : { [many]: values };
}

/** A control for local times has no zone; the form says that it is UTC. */
function time(value) {
  if (!value) return undefined;
  return `${value.length === 16 ? `${value}:00` : value}Z`;
}

function dialect(values) {
  const csv = {
    delimiter: values.get("delimiter") === "," ? undefined : values.get("delimiter"),
    line_ending: values.get("line_ending") === "crlf" ? undefined : values.get("line_ending"),
    header: values.has("header") ? undefined : false,
    bom: values.has("bom") || undefined,
    formula_guard: values.has("formula_guard") ? undefined : false,
  };
  return Object.values(csv).some((value) => value !== undefined) ? csv : undefined;
}
