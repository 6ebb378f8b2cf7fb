// Charts, by plotly.js.

const POSITIVE = "#0072b2", NEGATIVE = "#d55e00", SHARED = { colour: "#7f7f7f", pattern: "" }, NOT_ENRICHED = "#b8bec5";
const SWATCHES = { "": "", "/": "hatched", ".": "dotted" };
const N_BARS = { genes: 25, processes: 15 };
const FONT = { family: "system-ui, sans-serif", size: 13, color: "#1b1f24" };

function draw(id, description, traces, layout) {
  at(id).setAttribute("aria-label", description);
  Plotly.react(id, traces, {
    font: FONT, dragmode: false, showlegend: false, hoverlabel: { align: "left" }, bargap: 0.25,
    margin: { l: 10, r: 10, t: 30, b: 45 }, ...layout,
  }, { displaylogo: false, modeBarButtons: [["toImage"]] });
  resizing.observe(at(id));
}

// A chart is as wide as its place, also when a scroll bar takes some of it.
const resizing = new ResizeObserver((entries) => entries.forEach(({ target }) => Plotly.Plots.resize(target)));

// A vertical axis with a label per row, the first row at the top.
function rowAxis(labels) {
  return {
    tickvals: labels.map((_, i) => i), ticktext: labels, range: [labels.length - 0.5, -0.5],
    automargin: true, ticks: "outside", tickcolor: "#fff", fixedrange: true,
  };
}

const lookOf = (cohort, name) => (name === null ? SHARED : cohort.groups.find((group) => group.name === name));

function drawOverview({ name, cohort, index }) {
  const kinds = [null, ...cohort.groups.map((group) => group.name)];
  const place = new Map(cohort.factors.map((factor, i) => [factor, i]));
  const traces = kinds.map((kind) => {
    const factors = cohort.factors.filter((factor) => factor.group === kind);
    const look = lookOf(cohort, kind);
    return {
      type: "bar", width: 0.75,
      x: factors.map((factor) => place.get(factor)),
      y: factors.map((factor) => factor.n_genes),
      customdata: factors.map((factor) => [factor.name, nEnriched(cohort, factor)]),
      hovertext: factors.map((factor) => lines(factor.name, 60)),
      hovertemplate: "%{hovertext}<br>%{y} genes"
        + `${tested(cohort) ? "<br>%{customdata[1]} enriched processes" : ""}<extra></extra>`,
      marker: {
        color: look.colour,
        pattern: { shape: look.pattern, fgcolor: "#fff", fillmode: "overlay", size: 7, solidity: 0.35 },
        line: { color: "#000", width: factors.map((factor) => (factor === cohort.factors[index] ? 3 : 0)) },
      },
    };
  });
  at("overview-text").textContent =
    `Genes with |weight| > ${cohort.threshold} by factor. Click a bar to see the factor; it is outlined in black.`;
  at("legend").replaceChildren(...kinds.map((kind) => {
    const swatch = element("i", { className: `swatch ${SWATCHES[lookOf(cohort, kind).pattern]}` });
    swatch.style.backgroundColor = lookOf(cohort, kind).colour;
    return element("span", {}, swatch, kind ?? "shared");
  }));
  // Where the bars need more than the card has, they scroll.
  at("overview").style.minWidth = `${80 + 18 * cohort.factors.length}px`;
  draw("overview", "number of genes of each factor", traces, {
    height: 320, margin: { l: 60, r: 10, t: 30, b: 10 }, barmode: "overlay",
    xaxis: {
      tickvals: cohort.factors.map((_, i) => i), ticktext: cohort.factors.map((factor) => plain(cut(factor.name, 18))),
      range: [-0.6, cohort.factors.length - 0.4], tickangle: -90, tickfont: { size: 11 }, automargin: true, fixedrange: true,
    },
    yaxis: { title: { text: "genes" }, rangemode: "tozero", fixedrange: true },
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
    textposition: "auto", textangle: 0,
    hovertext: factor.genes.slice(0, n).map((gene) => plain(cohort.genes[gene].filter(Boolean).join("<br>"))),
    hovertemplate: "%{hovertext}<br>weight %{x}<extra></extra>",
    marker: { color: weights.map((weight) => (weight > 0 ? POSITIVE : NEGATIVE)) },
  }], {
    height: 80 + 22 * n,
    xaxis: { title: { text: "weight" }, zeroline: true, fixedrange: true },
    yaxis: rowAxis(symbols.map((symbol) => plain(cut(symbol, 20)))),
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
    textposition: "auto", textangle: 0,
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
    `${lines(cut(group, 60), 14)}<br>n = ${values.length}, KL ${number(kl)}`);
  draw("activity", `posterior means in ${factor.activity.map((part) => part.group).join(", ")}`,
    factor.activity.map(({ group, values }, i) => ({
      type: "box", orientation: "h", x: values, y0: i, boxpoints: "all", jitter: 0.6, pointpos: 0, hoverinfo: "x",
      line: { color: "#1b1f24", width: 1 },
      fillcolor: "rgba(255, 255, 255, 0.4)",
      marker: { color: lookOf(cohort, group).colour, size: 5, opacity: 0.7 },
    })), {
      height: 80 + 90 * labels.length,
      xaxis: { title: { text: "posterior mean" }, zeroline: true, fixedrange: true },
      yaxis: rowAxis(labels),
    });
}
