// Shows what the engine says about the pasted request. Values come from attackers by intent, so they reach the page
// as text only, never as markup.

import init, { inspect } from "./pkg/waf_playground.js";

const EXAMPLES = {
  "SQL injection in a query":
    "GET /item?id=1%27%20union%20select%20login,password%20from%20users--%20 HTTP/1.1\nHost: shop.example.com\n",
  "Path traversal, encoded twice":
    "GET /download?file=%252e%252e%252f%252e%252e%252f%252e%252e%252fetc%252fpasswd HTTP/1.1\nHost: shop.example.com\n",
  "Script in JSON":
    "POST /comments HTTP/1.1\nHost: shop.example.com\nContent-Type: application/json\n\n" +
    '{"author":"eve","text":"\\u003cimg src=x onerror=alert(document.cookie)\\u003e"}',
  "Command in a form":
    "POST /ping HTTP/1.1\nHost: shop.example.com\nContent-Type: application/x-www-form-urlencoded\n\n" +
    "host=127.0.0.1%3B+cat+%2Fetc%2Fpasswd",
  "JSON in base64 in a cookie":
    "GET / HTTP/1.1\nHost: shop.example.com\nCookie: state=eyJmaWxlIjoiLi4vLi4vLi4vLi4vZXRjL3Bhc3N3ZCJ9\n",
  "SQL in a string of GraphQL":
    "POST /graphql HTTP/1.1\nHost: shop.example.com\nContent-Type: application/graphql\n\n" +
    'query Item {\n  item(id: "1\' union select login,password from users-- ") { name }\n}',
  "A claim of a token":
    "GET / HTTP/1.1\nHost: shop.example.com\nAuthorization: Bearer " +
    "eyJhbGciOiJub25lIn0.eyJmaWxlIjoiLi4vLi4vLi4vLi4vZXRjL3Bhc3N3ZCJ9.\n",
  "View state of ASP.NET":
    "POST /orders.aspx HTTP/1.1\nHost: shop.example.com\nContent-Type: application/x-www-form-urlencoded\n\n" +
    "__VIEWSTATE=%2FwEPBQE3BSo8aW1nIHNyYz14IG9uZXJyb3I9YWxlcnQoZG9jdW1lbnQuY29va2llKT4%3D",
  "A harmless request":
    "GET /search?q=O%27Brien%20%26%20sons&tag[]=new&tag[]=sale HTTP/1.1\nHost: shop.example.com\n",
};

const byId = (id) => document.getElementById(id);

/** An element with a class, text and children. */
function element(name, className, text, ...children) {
  const made = document.createElement(name);
  if (className) made.className = className;
  if (text) made.textContent = text;
  made.append(...children);
  return made;
}

function showFinding(finding) {
  const stamps = finding.stamps.map((stamp) =>
    element("li", "", `${stamp.reason} (${stamp.name}, ${stamp.id}, weight ${stamp.weight})`),
  );
  return element(
    "article",
    "finding",
    "",
    element("h3", "", `${finding.attack_name} (${finding.attack_type})`),
    element("code", "point", finding.point),
    element("pre", "", finding.payload),
    element(
      "p",
      "raw",
      `From bytes ${finding.raw.span.join("–")} of the ${finding.raw.part}: `,
      element("code", "", finding.raw.text),
    ),
    element("ul", "", "", ...stamps),
  );
}

function showPoint(point, attacked) {
  return element(
    "tr",
    attacked.has(point.point) ? "attacked" : "",
    "",
    element("td", "", "", element("code", "", point.point)),
    element("td", "", point.place),
    element("td", "", "", element("code", "", point.value)),
  );
}

function show() {
  const report = JSON.parse(inspect(byId("request").value, byId("mode").value));
  const { error, action = "", findings = [], limits = [], gql, points = [] } = report;
  const limitText = limits.length ? ` (limits reached: ${limits.join(", ")})` : "";
  byId("action").textContent = error ?? `Action: ${action}${limitText}`;
  if (gql) {
    byId("action").textContent +=
      ` GraphQL: ${gql.documents} document(s), depth ${gql.depth}, ${gql.aliases} alias(es), ` +
      `longest document ${gql.document_bytes} bytes, longest string ${gql.value_bytes} bytes` +
      (gql.introspection ? ", asks for the schema." : ".");
  }
  byId("action").dataset.action = error ? "error" : action;
  byId("findings").replaceChildren(...findings.map(showFinding));
  const attacked = new Set(findings.map((finding) => finding.point));
  byId("points").replaceChildren(...points.map((point) => showPoint(point, attacked)));
}

function choose() {
  byId("request").value = EXAMPLES[byId("example").value];
  show();
}

await init();
byId("example").append(...Object.keys(EXAMPLES).map((name) => element("option", "", name)));
byId("example").addEventListener("change", choose);
byId("mode").addEventListener("change", show);
byId("request").addEventListener("input", show);
choose();
