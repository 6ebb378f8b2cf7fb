"use strict";

const { run, cohorts } = JSON.parse(document.getElementById("data").textContent);
const POSITIVE = "#0072b2", NEGATIVE = "#d55e00", SHARED = "#7f7f7f", NOT_ENRICHED = "#b8bec5";
const N_BARS = { genes: 25, processes: 15 };
const FONT = { family: "system-ui, sans-serif", size: 13, color: "#1b1f24" };
const at = (id) => document.getElementById(id);
const plural = (n, noun) => `${n.toLocaleString("en")} ${noun}${n === 1 ? "" : noun.endsWith("ss") ? "es" : "s"}`;
const number = (x) => (x !== 0 && Math.abs(x) < 0.001 ? x.toExponential(1) : Number(x.toPrecision(3)).toString());
// plotly reads labels as a kind of HTML.
const plain = (text) => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
// Cut into lines of about n characters.
const lines = (text, n) => plain(text).replace(new RegExp(`(.{${n},}?)\\s+`, "g"), "$1<br>");
const cut = (text, n) => (text.length > n ? text.slice(0, n - 1) + "…" : text);

// Elements -----------------------------------------------------------------------------------------

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

function fillTable(table, caption, columns, rows) {
  const numeric = (j) => (columns[j].numeric ? "number" : "");
  table.replaceChildren(
    element("caption", {}, caption),
    element("thead", {}, element("tr", {}, ...columns.map((column, j) =>
      element("th", { scope: "col", className: numeric(j) }, column.title)))),
    element("tbody", {}, ...rows.map(({ cells, className = "" }) =>
      element("tr", { className }, ...cells.map((cell, j) => element("td", { className: numeric(j) }, cell))))),
  );
}

function download(name, header, rows) {
  const quoted = (cell) => (/[",\n]/.test(cell) ? `"${String(cell).replaceAll('"', '""')}"` : cell);
  const text = [header, ...rows].map((row) => row.map(quoted).join(",") + "\n").join("");
  const address = URL.createObjectURL(new Blob([text], { type: "text/csv" }));
  element("a", { href: address, download: name.replace(/[^\w.-]+/g, "_") }).click();
  URL.revokeObjectURL(address);
}

// What is shown: cohort, factor and the gene that was searched for are the part of the address
// after "#", so that a view can be bookmarked and the browser's "back" works.

function decoded(part) {
  try {
    return decodeURIComponent(part);
  } catch {
    return ""; // Typed by hand: as if nothing was chosen.
  }
}

// The factor with most to see: enriched processes, and if there are none, genes.
function first(cohort) {
  const sizes = cohort.factors.map((factor) => [nEnriched(cohort, factor), factor.n_genes]);
  const larger = ([a, b], [c, d]) => a > c || (a === c && b > d);
  return sizes.reduce((best, size, j) => (larger(size, sizes[best]) ? j : best), 0);
}

function view() {
  const [cohort, factor, gene] = location.hash.slice(1).split("/").map(decoded);
  const name = Object.hasOwn(cohorts, cohort) ? cohort : Object.keys(cohorts)[0];
  const factors = cohorts[name].factors;
  const i = factors.findIndex((f) => f.name === factor);
  return { name, cohort: cohorts[name], index: i < 0 ? first(cohorts[name]) : i, gene };
}

function show(cohort, factor, gene = view().gene) {
  location.hash = [cohort, factor, ...(gene ? [gene] : [])].map(encodeURIComponent).join("/");
}

// Charts -------------------------------------------------------------------------------------------

function draw(id, description, traces, layout) {
  at(id).setAttribute("aria-label", description);
  Plotly.react(id, traces, {
    font: FONT, dragmode: false, showlegend: false, hoverlabel: { align: "left" }, bargap: 0.25,
    margin: { l: 10, r: 10, t: 30, b: 45 }, ...layout,
  }, { responsive: true, displaylogo: false, modeBarButtons: [["toImage"]] });
}

// A vertical axis with a label per row, the first row at the top.
function rowAxis(labels) {
  return {
    tickvals: labels.map((_, i) => i), ticktext: labels, range: [labels.length - 0.5, -0.5],
    automargin: true, ticks: "outside", tickcolor: "#fff", fixedrange: true,
  };
}

const colourOf = (cohort, factor) =>
  factor.group === null ? SHARED : cohort.groups.find((group) => group.name === factor.group).colour;
// Cohorts may be without tests for processes.
const tested = (cohort) => cohort.fdr !== null;
const nEnriched = (cohort, factor) => factor.terms.filter((term) => term[3] < cohort.fdr).length;

function drawOverview({ name, cohort, index }) {
  const kinds = [null, ...cohort.groups.map((group) => group.name)];
  const traces = kinds.map((kind) => {
    const factors = cohort.factors.filter((factor) => factor.group === kind);
    return {
      type: "bar", name: plain(kind ?? "shared"),
      x: factors.map((factor) => plain(factor.name)),
      y: factors.map((factor) => factor.n_genes),
      customdata: factors.map((factor) => [factor.name, nEnriched(cohort, factor)]),
      hovertemplate: `%{x}<br>%{y} genes${tested(cohort) ? "<br>%{customdata[1]} enriched processes" : ""}<extra></extra>`,
      marker: {
        color: factors.map((factor) => colourOf(cohort, factor)),
        line: { color: "#000", width: factors.map((factor) => (factor === cohort.factors[index] ? 3 : 0)) },
      },
    };
  });
  at("overview-text").textContent =
    `Genes with |weight| > ${cohort.threshold} by factor. Click a bar to see the factor; it is outlined in black.`;
  const width = Math.max(at("overview").parentElement.clientWidth, 40 + 11 * cohort.factors.length);
  draw("overview", "number of genes of each factor", traces, {
    width, height: 240, margin: { l: 60, r: 10, t: 30, b: 10 }, showlegend: true,
    xaxis: { showticklabels: false, fixedrange: true },
    yaxis: { title: { text: "genes" }, fixedrange: true },
    legend: { orientation: "h", y: 1.02, yanchor: "bottom", itemclick: false, itemdoubleclick: false },
  });
  at("overview").removeAllListeners("plotly_click");
  at("overview").on("plotly_click", ({ points }) => show(name, points[0].customdata[0]));
}

function drawGenes({ cohort, factor }) {
  const n = Math.min(N_BARS.genes, factor.genes.length);
  const symbols = factor.genes.slice(0, n).map((gene) => cohort.genes[gene][1]);
  const weights = factor.weights.slice(0, n);
  at("genes-text").textContent = n === 0 ? "The factor has no genes."
    : `The ${n} largest weights; blue is positive, orange negative. The table has all of them.`;
  draw("genes", `weights of ${symbols.join(", ")}`, [{
    type: "bar", orientation: "h",
    y: symbols.map((_, i) => i),
    x: weights,
    text: weights.map(number),
    textposition: "auto",
    hovertext: factor.genes.slice(0, n).map((gene) => plain(cohort.genes[gene].filter(Boolean).join("<br>"))),
    hovertemplate: "%{hovertext}<br>weight %{x}<extra></extra>",
    marker: { color: weights.map((weight) => (weight > 0 ? POSITIVE : NEGATIVE)) },
  }], {
    height: 80 + 22 * n,
    xaxis: { title: { text: "weight" }, zeroline: true, fixedrange: true },
    yaxis: rowAxis(symbols.map(plain)),
  });
}

function drawProcesses({ cohort, factor }) {
  const enriched = nEnriched(cohort, factor);
  const terms = factor.terms.slice(0, N_BARS.processes);
  at("processes-text").textContent =
    factor.terms.length === 0 ? "No process was tested: the factor has too few genes."
    : enriched === 0 ? `No process is enriched at an FDR of ${cohort.fdr}. The nearest to it, in grey:`
    : `${plural(enriched, "process")} enriched at an FDR of ${cohort.fdr}`
      + `${enriched < terms.length ? " (others in grey)" : ""}, by FDR.`;
  const narrow = at("processes").clientWidth < 500;
  draw("processes", `fold enrichment of ${terms.map((term) => term[1]).join(", ")}`, [{
    type: "bar", orientation: "h",
    y: terms.map((_, i) => i),
    x: terms.map((term) => term[2]),
    text: terms.map((term) => `FDR ${number(term[3])}`),
    textposition: "auto",
    hovertext: terms.map((term) => `${plain(term[1])}<br>${term[0]}<br>${plain(
      cut(term[4].map((gene) => cohort.genes[gene][1]).join(", "), 80))}`),
    hovertemplate: "%{hovertext}<br>fold enrichment %{x}<extra></extra>",
    marker: { color: terms.map((term) => (term[3] < cohort.fdr ? POSITIVE : NOT_ENRICHED)) },
  }], {
    height: 80 + 26 * terms.length,
    xaxis: { title: { text: "fold enrichment" }, rangemode: "tozero", fixedrange: true },
    yaxis: rowAxis(terms.map((term) => plain(cut(term[1], narrow ? 20 : 44)))),
  });
}

function drawActivity({ cohort, factor }) {
  const labels = factor.activity.map(({ group, values, kl }) =>
    `${lines(group, 14)}<br>n = ${values.length}, KL ${number(kl)}`);
  draw("activity", `posterior means in ${factor.activity.map((part) => part.group).join(", ")}`,
    factor.activity.map(({ group, values }, i) => ({
      type: "box", orientation: "h", x: values, y0: i, boxpoints: "all", jitter: 0.6, pointpos: 0, hoverinfo: "x",
      line: { color: "#1b1f24", width: 1 },
      fillcolor: "rgba(255, 255, 255, 0.4)",
      marker: { color: cohort.groups.find(({ name }) => name === group).colour, size: 5, opacity: 0.7 },
    })), {
      height: 80 + 90 * labels.length,
      xaxis: { title: { text: "posterior mean" }, zeroline: true, fixedrange: true },
      yaxis: rowAxis(labels),
    });
}

// Tables -------------------------------------------------------------------------------------------

function fillGenes({ cohort, factor, gene: sought }) {
  const columns = [{ title: "Gene" }, { title: "Name" }, { title: "Weight", numeric: true }];
  fillTable(at("genes-table"),
    `${plural(factor.genes.length, "gene")} with a weight; those outside the gene set in grey`, columns,
    factor.genes.map((gene, rank) => {
      const [id, symbol, name] = cohort.genes[gene];
      const outside = rank < factor.n_genes ? "" : "outside";
      return {
        cells: [geneLink(symbol, id), name, number(factor.weights[rank])],
        className: id === sought ? `${outside} sought` : outside,
      };
    }));
}

function fillProcesses({ cohort, factor }) {
  const columns = [{ title: "Process" }, { title: "Fold", numeric: true }, { title: "FDR", numeric: true },
    { title: "Genes", numeric: true }];
  fillTable(at("processes-table"), "GO biological processes; those not enriched in grey", columns,
    factor.terms.map(([id, description, fold, fdr, genes]) => ({
      cells: [link(description, `https://www.ebi.ac.uk/QuickGO/term/${id}`),
        number(fold), number(fdr), genes.length],
      className: fdr < cohort.fdr ? "" : "outside",
    })));
}

// Search -------------------------------------------------------------------------------------------

function search() {
  const { name, cohort } = view();
  const query = at("search").value.trim().toLowerCase();
  at("found").hidden = query === "";
  if (query === "") return;
  const exact = cohort.genes.findIndex((gene) => gene.slice(0, 2).some((word) => word.toLowerCase() === query));
  if (exact >= 0) return showGene(name, cohort, exact);
  const matches = cohort.genes.map((_, i) => i).filter((i) => {
    const [id, symbol, text] = cohort.genes[i].map((word) => word.toLowerCase());
    return id.startsWith(query) || symbol.startsWith(query) || ` ${text}`.includes(` ${query}`);
  });
  if (matches.length === 1) return showGene(name, cohort, matches[0]);
  at("found").replaceChildren(
    element("h2", {}, `${plural(matches.length, "gene")} for “${query}”`),
    ...matches.slice(0, 40).map((gene) => element("button", {
      type: "button", className: "link", title: cohort.genes[gene][2],
      onclick: () => { at("search").value = cohort.genes[gene][1]; search(); },
    }, cohort.genes[gene][1])),
    matches.length > 40 ? "and others: type more of the name" : "",
  );
}

function showGene(name, cohort, gene) {
  const [id, symbol, text] = cohort.genes[gene];
  const hits = cohort.factors.map((factor) => ({ factor, rank: factor.genes.indexOf(gene) }))
    .filter(({ rank }) => rank >= 0)
    .sort((a, b) => Math.abs(b.factor.weights[b.rank]) - Math.abs(a.factor.weights[a.rank]));
  const table = element("table");
  const columns = [{ title: "Factor" }, { title: "Weight", numeric: true }, { title: "Rank in the factor", numeric: true },
    { title: "In the gene set" }];
  fillTable(table, `${plural(hits.length, "factor")} of ${cohort.factors.length} with a weight, largest first`, columns,
    hits.map(({ factor, rank }) => ({
      cells: [
        element("button", { type: "button", className: "link", onclick: () => show(name, factor.name, id) }, factor.name),
        number(factor.weights[rank]), `${rank + 1} of ${factor.genes.length}`, rank < factor.n_genes ? "yes" : "no",
      ],
      className: rank < factor.n_genes ? "" : "outside",
    })));
  at("found").replaceChildren(
    element("h2", {}, symbol === id ? id : `${symbol}: ${text}`), geneLink(id, id),
    element("div", { className: "scroll" }, table));
}

// The page -----------------------------------------------------------------------------------------

function fillChoices({ name, cohort }) {
  at("title").textContent = `${cohort.title} (run “${run}”)`;
  at("note").hidden = cohort.note === null;
  at("note").textContent = cohort.note ?? "";
  at("about").textContent = cohort.about;
  at("cohort").value = name;
  const kinds = [null, ...cohort.groups.map((group) => group.name)];
  at("factor").replaceChildren(...kinds.map((kind) => element("optgroup", { label: kind ?? "Shared by all groups" },
    ...cohort.factors.filter((factor) => factor.group === kind).map((factor) =>
      element("option", { value: factor.name }, `${factor.name} (${plural(factor.n_genes, "gene")})`)))));
}

function render() {
  const now = view();
  const { cohort, index } = now;
  const factor = cohort.factors[index];
  fillChoices(now);
  at("factor").value = factor.name;
  at("previous").disabled = index === 0;
  at("next").disabled = index === cohort.factors.length - 1;
  document.title = `${factor.name} · ${cohort.title} · Factor explorer`;
  at("name").textContent = factor.name;
  at("summary").textContent = (factor.group === null ? "Shared by all groups. " : `Specific to ${factor.group}. `)
    + `${plural(factor.n_genes, "gene")} in its gene set (|weight| > ${cohort.threshold}), `
    + `${factor.genes.length.toLocaleString("en")} with a weight that is not zero`
    + `${tested(cohort) ? `; ${plural(nEnriched(cohort, factor), "enriched process")}` : ""}.`;
  drawOverview(now);
  at("processes-part").hidden = !tested(cohort);
  const processes = tested(cohort) ? [drawProcesses, fillProcesses] : [];
  for (const part of [drawGenes, fillGenes, ...processes, drawActivity]) part({ ...now, factor });
}

function step(by) {
  const { name, cohort, index } = view();
  show(name, cohort.factors[index + by].name);
}

function current() {
  const { name, cohort, index } = view();
  return { name, cohort, factor: cohort.factors[index] };
}

at("cohort").append(...Object.entries(cohorts).map(([name, cohort]) => element("option", { value: name }, cohort.title)));
at("cohort-label").hidden = Object.keys(cohorts).length === 1;
at("cohort").onchange = () => { at("search").value = ""; location.hash = encodeURIComponent(at("cohort").value); };
at("factor").onchange = () => show(view().name, at("factor").value);
at("previous").onclick = () => step(-1);
at("next").onclick = () => step(1);
at("choice").onsubmit = (event) => event.preventDefault();
at("search").oninput = search;
at("genes-csv").onclick = () => {
  const { name, cohort, factor } = current();
  download(`${name}_${factor.name}_genes.csv`, ["gene", "symbol", "name", "weight", "in_gene_set"],
    factor.genes.map((gene, rank) => [...cohort.genes[gene], factor.weights[rank], rank < factor.n_genes]));
};
at("processes-csv").onclick = () => {
  const { name, cohort, factor } = current();
  download(`${name}_${factor.name}_processes.csv`, ["ID", "description", "fold_enrichment", "fdr", "genes"],
    factor.terms.map(([id, text, fold, fdr, genes]) =>
      [id, text, fold, fdr, genes.map((gene) => cohort.genes[gene][0]).join(" ")]));
};
window.onhashchange = () => { render(); search(); };
render();
