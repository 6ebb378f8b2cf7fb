// Tables.

const N_ROWS = 25; // shown until all are asked for

function fillTable(table, caption, columns, rows) {
  const numeric = (j) => (columns[j].numeric ? "number" : "");
  const body = (shown) => shown.map(({ cells, className = "" }) =>
    element("tr", { className }, ...cells.map((cell, j) => element("td", { className: numeric(j) }, cell))));
  const sought = rows.findIndex(({ className = "" }) => className.includes("sought"));
  const n = sought >= N_ROWS ? rows.length : N_ROWS;
  const parts = [
    element("caption", {}, caption),
    element("thead", {}, element("tr", {}, ...columns.map((column, j) =>
      element("th", { scope: "col", className: numeric(j) }, column.title)))),
    element("tbody", {}, ...body(rows.slice(0, n))),
  ];
  if (rows.length > n) {
    const all = element("button", { type: "button", onclick: () => {
      all.closest("tfoot").remove();
      table.tBodies[0].append(...body(rows.slice(n)));
    } }, `Show all ${rows.length.toLocaleString("en")} rows`);
    parts.push(element("tfoot", {}, element("tr", {}, element("td", { colSpan: columns.length }, all))));
  }
  table.replaceChildren(...parts);
}

function fillGenes({ cohort, factor, gene: sought }) {
  const columns = [{ title: "Gene" }, { title: "Name" }, { title: "Weight", numeric: true }];
  if (factor.frequencies) columns.push({ title: "Frequency", numeric: true });
  fillTable(at("genes-table"),
    `${plural(factor.genes.length, "gene")} with a weight; those outside the gene set in grey`, columns,
    factor.genes.map((gene, rank) => {
      const [id, symbol, name] = cohort.genes[gene];
      const outside = rank < factor.n_genes ? "" : "outside";
      return {
        cells: [geneLink(symbol, id), name, number(factor.weights[rank]),
          ...(factor.frequencies ? [factor.frequencies[rank].toFixed(2)] : [])],
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
