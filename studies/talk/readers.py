"""The talk's real data, read as their publishers give them: counts, samples x features.

Their licences do not let a copy lie here. Each function reads one publication and says which rows
and columns stay; ``read`` also checks that it is the publication that is meant.
"""

import csv
import hashlib
import json
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anndata as ad
import numpy as np
import pandas as pd
from scipy import sparse

from mssvae.data.files import user_path
from mssvae.data.validation import listed, validate_counts, validate_names, whole
from mssvae.errors import InputError

# Of a rating that says that the user likes the movie, and how many of these a user must have given.
_LIKED, _FEWEST_LIKED = 4, 20
# Fewest words of the vocabulary in an abstract; most and fewest abstracts with a word, as shares.
_FEWEST_WORDS, _MOST_ABSTRACTS, _FEWEST_ABSTRACTS = 2, 0.9, 0.0007
# Fewest molecules of a gene in all cells together (Zeisel et al. 2015, supplement).
_FEWEST_MOLECULES = 25
# Rows above the genes: ten that describe the cells, and one that is empty.
_ABOUT_CELLS, _ABOVE_GENES = 10, 11
# What reading a file raises that is damaged or another one.
_DAMAGED = (ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error)
# Columns of the tables of MovieLens, which not all editions name.
_RATINGS, _MOVIES = ["userId", "movieId", "rating", "timestamp"], ["movieId", "title"]


@dataclass(frozen=True)
class Edition:
    """How the tables of an edition of MovieLens are written.

    Attributes
    ----------
    ratings, movies : str
        Names of the files.
    separators : (str, str)
        Between the columns of either.
    named : bool
        Whether columns have names, and texts with commas quotes.
    encoding : str
    """

    ratings: str
    movies: str
    separators: tuple[str, str]
    named: bool
    encoding: str

    def read(self, archive: zipfile.ZipFile) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Return both tables, with the columns of ``_RATINGS`` and of ``_MOVIES``."""
        members = {name.rpartition("/")[2]: name for name in archive.namelist()}
        tables = []
        for name, separator, columns in zip(
            (self.ratings, self.movies), self.separators, (_RATINGS, _MOVIES), strict=True
        ):
            names = {"names": columns, "header": None, "quoting": csv.QUOTE_NONE}
            with archive.open(members[name]) as stream:
                table = pd.read_csv(
                    stream,
                    sep=separator,
                    engine="python" if len(separator) > 1 else "c",
                    encoding=self.encoding,
                    usecols=columns if self.named else range(len(columns)),
                    **({} if self.named else names),
                )
            tables.append(table)
        return tuple(tables)


EDITIONS = (
    Edition("ratings.csv", "movies.csv", (",", ","), True, "utf-8"),  # 20M, 25M, 32M
    Edition("ratings.dat", "movies.dat", ("::", "::"), False, "latin-1"),  # 1M
    Edition("u.data", "u.item", ("\t", "|"), False, "latin-1"),  # 100K
)


def movielens(path: Path, n_movies: int = 300, n_users: int = 100_000, seed: int = 1) -> ad.AnnData:
    """Return which movies users like (Harper and Konstan, 2015): 1 for a rating of 4 or more.

    Of users who like 20 movies or more; the movies that most of them like, fewer if there are no
    more; and of users who like one of these, as many, at random.

    Parameters
    ----------
    path : Path
        The zip file of an edition, as it is downloaded.
    n_movies, n_users : int
        Most movies and users.
    seed : int
        Of the draw of users.

    Raises
    ------
    InputError
        If the file is no zip file of an edition, a column is missing or no rating, or no user is
        left.
    """
    n_movies, n_users = whole("n_movies", n_movies), whole("n_users", n_users)
    ratings, titles = _ratings(path)
    liked = ratings[ratings["rating"] >= _LIKED]
    liked = liked[liked.groupby("userId")["userId"].transform("size") >= _FEWEST_LIKED]
    if liked.empty:
        raise InputError(f"{path}: no user has {_FEWEST_LIKED} ratings of {_LIKED} or more")
    # In the order of their numbers, so that of movies that are liked as much the first one counts.
    often = liked["movieId"].value_counts().sort_index()
    movies = often.nlargest(n_movies).index
    liked = liked[liked["movieId"].isin(movies)]
    users = np.unique(liked["userId"])
    if n_users < len(users):
        users = np.sort(np.random.default_rng(seed).choice(users, n_users, replace=False))
        liked = liked[liked["userId"].isin(users)]
    places = np.searchsorted(users, liked["userId"]), movies.get_indexer(liked["movieId"])
    x = sparse.csr_matrix((np.ones(len(liked)), places), shape=(len(users), len(movies)))
    if x.max() > 1:
        raise InputError(f"{path}: a user has rated a movie twice: get it again")
    adata = _anndata(x, users, movies, ratings=len(ratings), users=ratings["userId"].nunique())
    adata.var["title"] = titles.reindex(movies).fillna("").to_numpy(str)
    return adata


def _ratings(path: Path) -> tuple[pd.DataFrame, pd.Series]:
    """Return the ratings, with the columns of ``_RATINGS``, and the titles by movie."""
    try:
        with zipfile.ZipFile(path) as archive:
            files = {name.rpartition("/")[2] for name in archive.namelist()}
            edition = next((one for one in EDITIONS if one.ratings in files), None)
            if edition is None:
                raise ValueError(f"it has none of {listed(one.ratings for one in EDITIONS)}")
            ratings, movies = edition.read(archive)
        ratings = ratings.astype({"userId": int, "movieId": int, "rating": float})
        if not ratings["rating"].between(0.5, 5).all() or ratings["timestamp"].isna().any():
            raise ValueError(f"{edition.ratings} has ratings that are not from 0.5 to 5")
    except _DAMAGED as error:
        raise InputError(f"{path} is no edition of MovieLens ({error}): get it again") from error
    return ratings, movies.set_index("movieId")["title"]


def peerread(path: Path, n_words: int = 500) -> ad.AnnData:
    """Return words of abstracts (Kang et al., 2018): papers of arXiv in its three sections.

    The words that are most frequent, of letters alone, without English stop words, and those that
    are in nine tenths of the abstracts, or in hardly any; and abstracts with two such words. The
    label is whether a paper was accepted, missing where it is not said.

    Parameters
    ----------
    path : Path
        A copy of the repository.
    n_words : int
        Most words.

    Raises
    ------
    InputError
        If the folder has no such papers, a file is no paper, or no word is left.
    """
    from sklearn.feature_extraction.text import CountVectorizer

    files = sorted(path.glob("data/arxiv.cs.*/*/reviews/*.json"))
    if not files:
        raise InputError(
            f"{path} has no data/arxiv.cs.*/*/reviews/*.json: it must be a copy of PeerRead"
        )
    papers = [_paper(file) for file in files]
    vectorizer = CountVectorizer(
        stop_words="english",
        token_pattern=r"(?u)\b[^\W\d_]{2,}\b",
        max_df=_MOST_ABSTRACTS,
        min_df=_FEWEST_ABSTRACTS,
        max_features=whole("n_words", n_words),
    )
    try:
        x = vectorizer.fit_transform([paper["abstract"] or "" for paper in papers])
    except ValueError as error:
        raise InputError(f"{path}: the abstracts have no words to count: {error}") from error
    names = [f"{file.parts[-4]}/{file.stem}" for file in files]
    words = vectorizer.get_feature_names_out()
    adata = _anndata(x, names, words, papers=len(papers))
    decisions = {True: "accepted", False: "rejected"}
    label = [decisions.get(paper.get("accepted")) for paper in papers]
    adata.obs["label"] = pd.Categorical(label, categories=decisions.values())
    return adata[np.asarray(x.sum(1)).ravel() >= _FEWEST_WORDS].copy()


def _paper(file: Path) -> dict[str, Any]:
    """Return what a file says of a paper: its last line, as some have an earlier state above."""
    try:
        paper = json.loads(file.read_text(encoding="utf-8").strip().split("\n")[-1])
        if isinstance(paper["abstract"], str | None):
            return paper
        raise ValueError("the abstract is no text")
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"{file} is no paper of PeerRead with an abstract ({error}): get it again"
        ) from error


def zeisel(path: Path, n_genes: int = 558) -> ad.AnnData:
    """Return molecules in cells of the mouse cortex and hippocampus (Zeisel et al., 2015).

    The genes with the largest variance among those with 25 molecules or more. The label is the
    class of the cell at the first level, of seven.

    Parameters
    ----------
    path : Path
        The table expression_mRNA_17-Aug-2014.txt.
    n_genes : int
        Most genes.

    Raises
    ------
    InputError
        If a row that describes the cells is missing, a gene has more or fewer counts than there are
        cells, or something that is no count, or a name is there twice.
    """
    layout = {"sep": "\t", "header": None, "quoting": csv.QUOTE_NONE}
    try:
        # Their first two columns are for the genes.
        about = pd.read_csv(path, nrows=_ABOUT_CELLS, dtype=str, **layout).set_index(1).iloc[:, 1:]
        cells, label = about.loc["cell_id"], about.loc["level1class"]
        genes = pd.read_csv(path, skiprows=_ABOVE_GENES, na_filter=False, **layout)
        names, counts = genes[0].astype(str), genes.iloc[:, 2:].to_numpy(float)
        if counts.shape[1] != len(cells):
            raise ValueError(f"{len(cells)} cells, but {counts.shape[1]} counts of a gene")
    except _DAMAGED as error:
        raise InputError(
            f"{path} is not the whole of Zeisel's table ({error}): get it again"
        ) from error
    validate_names(pd.Index(cells), pd.Index(names), str(path))
    validate_counts(counts.T, pd.Index(cells), pd.Index(names), str(path))
    variance = np.where(counts.sum(1) >= _FEWEST_MOLECULES, counts.var(1), -1)
    chosen = np.sort(np.argsort(-variance, kind="stable")[: whole("n_genes", n_genes)])
    chosen = chosen[variance[chosen] >= 0]
    x = sparse.csr_matrix(counts[chosen].T)
    adata = _anndata(x, cells, names[chosen], cells=len(cells), genes=len(names))
    adata.obs["label"] = pd.Categorical(label)
    return adata[np.asarray(x.sum(1)).ravel() > 0].copy()


READERS = {reader.__name__: reader for reader in (movielens, peerread, zeisel)}


def read(about: Mapping[str, Any]) -> ad.AnnData:
    """Read data that a config has an entry of, and check that they are those that are meant.

    Parameters
    ----------
    about : mapping
        ``reader``, a key of ``READERS``; ``path``, and ``arguments``, of the reader; ``address``,
        for messages; ``md5`` of the file, or None; and ``expect``, numbers of what it has.

    Returns
    -------
    AnnData [N x G]
        Counts, none of a sample all zero, sparse in single precision; ``obs["label"]`` where
        samples have labels; in ``uns["file"]`` how much the file has of everything.

    Raises
    ------
    InputError
        If the file is another one; or as the reader does.
    """
    path, again = user_path(about["path"]), f"get it from {about['address']}"
    if about["md5"]:
        with path.open("rb") as stream:
            found = hashlib.file_digest(stream, "md5").hexdigest()
        if found != about["md5"]:
            raise InputError(f"{path} has the MD5 {found} instead of {about['md5']}: {again}")
    adata = READERS[about["reader"]](path, **about["arguments"])
    for what, n in about["expect"].items():
        if (found := adata.uns["file"].get(what)) != n:
            raise InputError(f"{path} has {found} {what} instead of {n}: {again}")
    return adata


def _anndata(x: sparse.spmatrix, samples: object, features: object, **file: int) -> ad.AnnData:
    # Without the name that a column had, which a file may not take.
    obs, var = (pd.DataFrame(index=np.asarray(names, dtype=str)) for names in (samples, features))
    return ad.AnnData(sparse.csr_matrix(x, dtype=np.float32), obs, var, uns={"file": file})
