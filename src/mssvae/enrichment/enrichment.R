# Over-representation of Gene Ontology biological processes (GO BP) in sets of Ensembl genes:
# one engine on clusterProfiler, one that follows its rules on the annotation packages alone.
# A gene is "annotated" if it has a GO BP term; the query is one gene set, the background is
# what it is compared with.

installed_version <- function(package) {
  if (nzchar(system.file(package = package))) as.character(utils::packageVersion(package)) else ""
}

r_version <- function() as.character(getRversion())

# Asks the database of an annotation package. Not by way of the package, which takes five seconds
# to load and then opens the same file.
ask <- function(package, statement) {
  path <- system.file("extdata", sub("[.]db$", ".sqlite", package), package = package,
                      mustWork = TRUE)
  database <- DBI::dbConnect(RSQLite::SQLite(), path, flags = RSQLite::SQLITE_RO)
  on.exit(DBI::dbDisconnect(database))
  DBI::dbGetQuery(database, statement)
}

annotated_genes <- function() {
  ask(
    "org.Hs.eg.db",
    "SELECT DISTINCT ensembl_id FROM ensembl WHERE _id IN (SELECT _id FROM go_bp_all)
     ORDER BY ensembl_id"
  )$ensembl_id
}

# All (term, gene) pairs: a gene of a term is a gene of all its ancestors, whatever the evidence.
read_annotation <- function() {
  pairs <- ask(
    "org.Hs.eg.db",
    "SELECT go_id AS ID, ensembl_id AS gene
     FROM (SELECT DISTINCT _id, go_id FROM go_bp_all) JOIN ensembl USING (_id)"
  )
  # In R, which sorts and finds what is there twice in a third of the time.
  pairs <- pairs[order(pairs$ID, pairs$gene, method = "radix"), ]
  is_new <- function(values) c(TRUE, values[-1] != values[-length(values)])
  pairs[is_new(pairs$ID) | is_new(pairs$gene), ]
}

describe_terms <- function(ids) {
  terms <- ask("GO.db", "SELECT go_id, term FROM go_term")
  terms$term[match(ids, terms$go_id)]
}

# Symbols and names of the genes that have them.
gene_names <- function(genes) {
  names <- ask(
    "org.Hs.eg.db",
    "SELECT ensembl_id AS gene, symbol, gene_name AS name FROM genes JOIN ensembl USING (_id)
     JOIN gene_info USING (_id) ORDER BY CAST(gene_id AS INTEGER)"
  )
  names[match(intersect(genes, names$gene), names$gene), ]
}

# One row per term; its genes in one text, as that is fast to hand over.
go_gene_sets <- function(min_size, max_size) {
  pairs <- read_annotation()
  genes <- split(pairs$gene, pairs$ID)
  genes <- genes[lengths(genes) >= min_size & lengths(genes) <= max_size]
  ids <- names(genes)
  data.frame(ID = ids, Description = describe_terms(ids),
             genes = vapply(genes, paste, "", collapse = "/"))
}

clusterprofiler_engine <- function(gene_sets, universe, adjust, min_size, max_size) {
  columns <- c("ID", "Description", "GeneRatio", "BgRatio", "pvalue", "p.adjust", "qvalue",
               "geneID", "Count")
  tables <- lapply(names(gene_sets), function(name) {
    result <- suppressMessages(clusterProfiler::enrichGO(
      gene_sets[[name]], OrgDb = org.Hs.eg.db::org.Hs.eg.db, keyType = "ENSEMBL", ont = "BP",
      universe = universe, pAdjustMethod = adjust, pvalueCutoff = 1, qvalueCutoff = 1,
      minGSSize = min_size, maxGSSize = max_size
    ))
    if (is.null(result)) return(NULL)
    table <- as.data.frame(result)[columns]
    cbind(set = rep(name, nrow(table)), table)
  })
  do.call(rbind, tables)
}

base_engine <- function(gene_sets, universe, adjust, min_size, max_size,
                        annotation = read_annotation()) {
  terms <- unique(annotation$ID)
  terms_of_gene <- split(match(annotation$ID, terms), annotation$gene)
  background <- names(terms_of_gene)
  if (!is.null(universe)) background <- intersect(background, universe)
  size <- tabulate(unlist(terms_of_gene[background]), length(terms))
  allowed <- size >= min_size & size <= max_size

  tables <- lapply(names(gene_sets), function(name) {
    query <- intersect(gene_sets[[name]], names(terms_of_gene))
    # A term counts as tested if it has a gene of the query, even one outside the background.
    candidate <- seq_along(terms) %in% unlist(terms_of_gene[query])
    tested <- which(candidate & allowed)
    if (length(tested) == 0) return(NULL)

    hits <- terms_of_gene[intersect(query, background)]
    hits_of_term <- split(rep(names(hits), lengths(hits)), factor(unlist(hits), tested))
    count <- lengths(hits_of_term)
    p <- phyper(count - 1, size[tested], length(background) - size[tested], length(query),
                lower.tail = FALSE)
    table <- data.frame(
      set = name,
      ID = terms[tested],
      GeneRatio = paste0(count, "/", length(query)),
      BgRatio = paste0(size[tested], "/", length(background)),
      pvalue = p,
      p.adjust = p.adjust(p, adjust),
      qvalue = q_values(p),
      geneID = vapply(hits_of_term, paste, "", collapse = "/"),
      Count = count
    )
    table[order(p), ]
  })
  table <- do.call(rbind, tables)
  if (!is.null(table)) table$Description <- describe_terms(table$ID)
  table
}

# Storey's q-values with the share of true null hypotheses estimated at lambda = 0.05.
q_values <- function(p) {
  null_share <- min(1, mean(p >= 0.05) / 0.95)
  if (null_share == 0 || length(p) == 1) return(NA_real_)
  null_share * p.adjust(p, "BH")
}
