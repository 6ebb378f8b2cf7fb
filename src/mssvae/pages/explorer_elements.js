// Texts and elements of the page.

const at = (id) => document.getElementById(id);
const plural = (n, noun) => `${n.toLocaleString("en")} ${noun}${n === 1 ? "" : noun.endsWith("ss") ? "es" : "s"}`;
const number = (x) => (x !== 0 && Math.abs(x) < 0.001 ? x.toExponential(1) : Number(x.toPrecision(3)).toString());

// Cut to n letters in the middle, as names often differ at their ends.
function cut(text, n) {
  const letters = [...text];
  const end = Math.floor((n - 1) / 3);
  return letters.length <= n ? text : [...letters.slice(0, n - 1 - end), "…", ...letters.slice(letters.length - end)].join("");
}

// plotly reads labels as a kind of HTML.
const plain = (text) => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;");

// Break into lines of at most n letters, at blanks or, in long words, anywhere.
function lines(text, n) {
  const broken = [""];
  for (const word of text.split(/\s+/)) {
    const pieces = word.match(new RegExp(`.{1,${n}}`, "gu")) ?? [""];
    for (const [i, piece] of pieces.entries()) {
      const longer = `${broken.at(-1)} ${piece}`.trim();
      if (i === 0 && [...longer].length <= n) broken[broken.length - 1] = longer;
      else broken.push(piece);
    }
  }
  return broken.filter(Boolean).map(plain).join("<br>");
}

function element(tag, properties = {}, ...children) {
  const node = Object.assign(document.createElement(tag), properties);
  node.append(...children);
  return node;
}

function link(text, address) {
  return element("a", { href: address, target: "_blank", rel: "noopener noreferrer" }, text);
}

// Ensembl knows its own ids alone.
function geneLink(text, id) {
  return id.startsWith("ENS") ? link(text, `https://www.ensembl.org/id/${encodeURIComponent(id)}`) : text;
}

function download(name, header, rows) {
  const quoted = (cell) => (/[",\r\n]/.test(cell) ? `"${String(cell).replaceAll('"', '""')}"` : cell);
  const text = [header, ...rows].map((row) => row.map(quoted).join(",") + "\n").join("");
  const address = URL.createObjectURL(new Blob([text], { type: "text/csv" }));
  element("a", { href: address, download: name.replace(/[^\p{L}\p{M}\p{N}_.-]+/gu, "_") }).click();
  URL.revokeObjectURL(address);
}
