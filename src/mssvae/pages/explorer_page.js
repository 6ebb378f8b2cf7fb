// The page as a whole.

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
  at("no-factor").hidden = factor !== undefined;
  at("factors").hidden = factor === undefined;
  for (const id of ["previous", "factor", "next", "search"]) at(id).disabled = factor === undefined;
  if (factor === undefined) return;
  at("factor").value = factor.name;
  at("previous").disabled = index === 0;
  at("next").disabled = index === cohort.factors.length - 1;
  document.title = `${factor.name} · ${cohort.title} · Factor explorer`;
  at("name").textContent = factor.name;
  at("summary").textContent = (factor.group === null ? "Shared by all groups. " : `Specific to ${factor.group}. `)
    + `${plural(factor.n_genes, "gene")} in its gene set (|weight| > ${cohort.threshold}), `
    + `${factor.genes.length.toLocaleString("en")} with a weight that is not zero`
    + stability(factor)
    + `${tested(cohort) ? `; ${plural(nEnriched(cohort, factor), "enriched process")}` : ""}.`;
  drawOverview(now);
  at("processes-part").hidden = !tested(cohort);
  const processes = tested(cohort) ? [drawProcesses, fillProcesses] : [];
  for (const part of [drawGenes, fillGenes, ...processes, drawActivity]) part({ ...now, factor });
}

// How often weights come back in fits to random shares of the samples.
function stability({ frequencies }) {
  if (!frequencies?.length) return "";
  const mean = frequencies.reduce((sum, frequency) => sum + frequency, 0) / frequencies.length;
  return `, which comes back in ${Math.round(100 * mean)} % of the fits to random shares of the samples`;
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
  const { weights, frequencies } = factor;
  download(`${name}_${factor.name}_genes.csv`,
    ["gene", "symbol", "name", "weight", "in_gene_set", ...(frequencies ? ["frequency"] : [])],
    factor.genes.map((gene, rank) => [...cohort.genes[gene], weights[rank], rank < factor.n_genes,
      ...(frequencies ? [frequencies[rank]] : [])]));
};
at("processes-csv").onclick = () => {
  const { name, cohort, factor } = current();
  download(`${name}_${factor.name}_processes.csv`, ["ID", "description", "fold_enrichment", "fdr", "genes"],
    factor.terms.map(([id, text, fold, fdr, genes]) =>
      [id, text, fold, fdr, genes.map((gene) => cohort.genes[gene][0]).join(" ")]));
};
window.onhashchange = () => { render(); search(); };
render();
