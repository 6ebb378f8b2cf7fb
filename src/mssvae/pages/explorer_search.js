// The search for a gene in all factors.

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
