// What can be asked of the gateway? Shows /openapi.json for people, without asking any other host for a page to do it.

import { at, element } from "./elements.js";

function table(caption, rows) {
  if (!rows.length) return [];
  const made = element("table");
  made.append(element("caption", caption));
  for (const [name, about] of rows) {
    const row = made.insertRow();
    row.insertCell().append(element("code", name));
    row.insertCell().textContent = about;
  }
  return [made];
}

function resolve(spec, schema) {
  const name = schema?.$ref?.split("/").pop();
  return name ? spec.components.schemas[name] : schema;
}

function fields(spec, schema) {
  const found = resolve(spec, schema);
  const needed = new Set(found?.required ?? []);
  return Object.entries(found?.properties ?? {}).map(([name, each]) => {
    const kind = each.type ?? resolve(spec, each)?.title ?? "";
    return [`${name}${needed.has(name) ? "" : "?"}: ${kind}`, each.description ?? ""];
  });
}

const json = (content) => content?.["application/json"]?.schema;

function operation(spec, path, method, about) {
  const made = element("details");
  const summary = element("summary");
  summary.append(element("span", method.toUpperCase(), "method"), element("code", path), element("span", about.summary ?? "", "summary"));
  const inside = element("div", "", "inside");
  inside.append(element("p", about.description ?? ""));
  const parameters = (about.parameters ?? []).map((each) => [`${each.name}${each.required ? "" : "?"} (${each.in})`, each.description ?? ""]);
  const answers = Object.entries(about.responses ?? {});
  const good = answers.find(([status]) => status.startsWith("2"));
  inside.append(
    ...table("Parameters", parameters),
    ...table("Body", fields(spec, json(about.requestBody?.content))),
    ...table("Answer", fields(spec, json(good?.[1].content))),
    ...table("Statuses", answers.map(([status, each]) => [status, each.description ?? ""])),
  );
  made.append(summary, inside);
  return made;
}

const spec = await (await fetch("openapi.json")).json();
at("title").textContent = `${spec.info.title} API`;
at("about").textContent = spec.info.description;
const groups = new Map();
for (const [path, methods] of Object.entries(spec.paths)) {
  for (const [method, about] of Object.entries(methods)) {
    const group = about.tags?.[0] ?? "other";
    groups.set(group, [...(groups.get(group) ?? []), operation(spec, path, method, about)]);
  }
}
for (const [name, operations] of groups) at("operations").append(element("h2", name), ...operations);
at("operations").setAttribute("aria-busy", "false");
