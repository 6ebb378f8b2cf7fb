// What is shown: cohort, factor and the gene that was searched for are the part of the address
// after "#", so that a view can be bookmarked and the browser's "back" works.

const { run, cohorts } = JSON.parse(at("data").textContent);
// Cohorts may be without tests for processes.
const tested = (cohort) => cohort.fdr !== null;
const nEnriched = (cohort, factor) => factor.terms.filter((term) => term[3] < cohort.fdr).length;

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
