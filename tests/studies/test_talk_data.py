"""The talk's real data: tiny files of the publishers' formats, made here, and the measures."""

import csv
import io
import json
import math
import zipfile
from functools import partial
from hashlib import md5

import anndata
import numpy as np
import pandas as pd
import pytest
import reference
import torch
from scipy import stats
from sklearn.metrics import ndcg_score

from mssvae.errors import InputError
from studies.talk import Folds, readers, unseen, unseen_scores, unseen_summary
from studies.talk.readers import movielens, peerread, read, zeisel
from studies.talk.sparse_vae import SparseVAE
from studies.talk.vae import VAE
from studies.talk.vsc import VSC

# Of movies that users 1 to 30 like: user i likes the first 20 + i % 5; all know movie 90 as bad.
TITLES = {movie: f'The "{movie}", A (1999)' for movie in [*range(1, 31), 90]}
EDITIONS = {edition.ratings: edition for edition in readers.EDITIONS}


def ratings(n_users=30):
    rows = [(u, m, 4 + m % 2) for u in range(1, n_users + 1) for m in range(1, 21 + u % 5)]
    return rows + [(u, 90, 3) for u in range(1, n_users + 1)]


def write_movielens(path, name="ratings.csv", rows=None, titles=TITLES, header="userId,movieId"):
    edition = EDITIONS[name]
    between_ratings, between_movies = edition.separators
    tables = {}
    rows = [(*row, 978300760) for row in (rows or ratings())]
    if edition.named:
        head = f"{header},rating,timestamp\n"
        movies = io.StringIO()
        writer = csv.writer(movies, lineterminator="\n")
        writer.writerows(
            [("movieId", "title", "genres"), *((*one, "Drama") for one in titles.items())]
        )
        tables[edition.movies] = movies.getvalue()
    else:
        head = ""
        lines = (between_movies.join((str(one), title, "x", "é")) for one, title in titles.items())
        tables[edition.movies] = "\n".join(lines)
    lines = [between_ratings.join(map(str, row)) for row in rows]
    tables[name] = head + "\n".join(lines) + "\n"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for file, text in tables.items():
            archive.writestr(f"ml-tiny/{file}", text.encode(edition.encoding))
    return path


ABSTRACTS = [
    "Deep networks learn deep features.",
    "Learn the features of words, and 2 networks.",
    "Parsing of words with networks",
    "It is not.",
    None,
    "words",
]


def write_peerread(folder, abstracts=ABSTRACTS, **more):
    for i, abstract in enumerate(abstracts):
        section = f"arxiv.cs.{'lg' if i % 2 else 'ai'}_2007-2017"
        file = folder / f"data/{section}/{('train', 'dev')[i % 2]}/reviews/{i}.json"
        file.parent.mkdir(parents=True, exist_ok=True)
        paper = {"title": "T", "abstract": abstract, "accepted": i % 3 == 0, "reviews": []}
        file.write_text(json.dumps(paper | more) + "\n")
    return folder


def write_zeisel(path, counts=None, drop=None):
    """Genes of 12 cells, their classes in turn; columns as in the table of 2014."""
    rng = np.random.default_rng(0)
    counts = rng.poisson(np.arange(1, 9)[:, None] * 2, (8, 12)) if counts is None else counts
    n = counts.shape[1]
    about = {
        **{"tissue": ["sscortex"] * n, "group #": range(n), "total mRNA mol": range(n)},
        **{"well": range(n), "sex": [1] * n, "age": [21] * n, "diameter": [0.5] * n},
        **{"cell_id": [f"17720{i}_A01" for i in range(n)]},
        **{"level1class": [("microglia", "interneurons")[i % 2] for i in range(n)]},
        **{"level2class": ["Mgl1"] * n},
    }
    lines = [["", key, *values] for key, values in about.items() if key != drop]
    lines += [[""] * (n + 2)]
    lines += [[f"Gene{j}", 1, *row] for j, row in enumerate(counts)]
    path.write_text("".join("\t".join(map(str, line)) + "\n" for line in lines))
    return path


class TestMovieLens:
    @pytest.mark.parametrize("name", EDITIONS)
    def test_movies_that_most_users_like_are_counted_in_every_edition(self, tmp_path, name):
        """Users 1 to 30 like movies 1 to 20 + u % 5; of movies liked as often the first counts."""
        adata = movielens(write_movielens(tmp_path / "ml.zip", name), n_movies=22)
        expected = [[1.0] * 20 + [u % 5 >= 1, u % 5 >= 2] for u in range(1, 31)]
        np.testing.assert_array_equal(adata.X.toarray(), expected)
        assert adata.obs_names.tolist() == [str(u) for u in range(1, 31)]
        assert adata.var["title"].tolist() == [TITLES[movie] for movie in range(1, 23)]
        assert adata.uns["file"] == {"ratings": len(ratings()), "users": 30}
        assert movielens(tmp_path / "ml.zip", n_movies=3).var_names.tolist() == ["1", "2", "3"]

    def test_users_who_like_too_few_movies_are_left_out_and_do_not_count(self, tmp_path):
        few = [(31, movie, 5) for movie in range(20, 39)]
        adata = movielens(write_movielens(tmp_path / "ml.zip", rows=ratings() + few))
        assert "31" not in adata.obs_names
        assert adata.var_names.tolist() == [str(movie) for movie in range(1, 25)]
        assert adata.uns["file"]["users"] == 31

    def test_users_are_drawn_by_the_seed(self, tmp_path):
        path = write_movielens(tmp_path / "ml.zip")
        one, same, other = (movielens(path, 10, 5, seed).obs_names.tolist() for seed in (1, 1, 2))
        assert one == same != other
        assert len(one) == 5

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"header": "user,movieId"}, "do not match columns"),
            (
                {"rows": [(1, 2, 5), (1, 3, 7)]},
                "ratings.csv has ratings that are not from 0.5 to 5",
            ),
            ({"rows": [(1, 2, "")]}, "ratings.csv has ratings that are not from 0.5 to 5"),
            ({"rows": [(1, "x", 4)]}, "invalid literal"),
            ({"rows": [*ratings(), (1, 1, 5)]}, "a user has rated a movie twice"),
            ({"rows": [(1, 2, 5)]}, "no user has 20 ratings of 4 or more"),
        ],
    )
    def test_other_content_is_named(self, tmp_path, change, message):
        path = write_movielens(tmp_path / "ml.zip", **change)
        with pytest.raises(InputError, match=f"ml.zip.*{message}"):
            movielens(path)

    def test_a_file_that_ends_early_is_named(self, tmp_path):
        path = write_movielens(tmp_path / "ml.zip")
        path.write_bytes(path.read_bytes()[:-100])
        with pytest.raises(InputError, match=r"ml.zip is no edition of MovieLens \(File is not a"):
            movielens(path)

    def test_damaged_bytes_are_named(self, tmp_path):
        path = write_movielens(tmp_path / "ml.zip")
        content = bytearray(path.read_bytes())
        content[80:90] = bytes(10)
        path.write_bytes(content)
        with pytest.raises(InputError, match=r"ml\.zip is no edition of MovieLens"):
            movielens(path)

    def test_another_zip_file_is_named(self, tmp_path):
        with zipfile.ZipFile(tmp_path / "ml.zip", "w") as archive:
            archive.writestr("readme", "")
        with pytest.raises(
            InputError, match=r"ml\.zip .*it has none of 'ratings.csv', 'ratings.dat'"
        ):
            movielens(tmp_path / "ml.zip")


class TestPeerRead:
    def test_words_of_abstracts_are_counted(self, tmp_path):
        """No stop words, no numbers; abstracts with one word, or none, are left out."""
        adata = peerread(write_peerread(tmp_path))
        table = pd.DataFrame(adata.X.toarray().astype(int), columns=adata.var_names)
        assert table.to_dict("list") == {
            "deep": [2, 0, 0],
            "features": [1, 0, 1],
            "learn": [1, 0, 1],
            "networks": [1, 1, 1],
            "parsing": [0, 1, 0],
            "words": [0, 1, 1],
        }
        ai, lg = (f"arxiv.cs.{name}_2007-2017" for name in ("ai", "lg"))
        assert adata.obs_names.tolist() == [f"{ai}/0", f"{ai}/2", f"{lg}/1"]
        assert adata.obs["label"].tolist() == ["accepted", "rejected", "rejected"]
        assert adata.uns["file"] == {"papers": 6}

    def test_the_most_frequent_words_stay_but_those_of_nearly_all_abstracts(self, tmp_path):
        abstracts = ["alpha beta beta gamma", "alpha beta delta", "alpha gamma beta"]
        adata = peerread(write_peerread(tmp_path, abstracts), n_words=2)
        assert "alpha" not in adata.var_names
        assert len(adata.var_names) == 2

    def test_a_decision_that_is_not_said_is_missing(self, tmp_path):
        assert peerread(write_peerread(tmp_path, accepted=None)).obs["label"].isna().all()

    def test_the_last_line_of_a_file_counts(self, tmp_path):
        file = write_peerread(tmp_path) / "data/arxiv.cs.ai_2007-2017/train/reviews/0.json"
        file.write_text(json.dumps({"abstract": "earlier"}) + "\n" + file.read_text())
        assert "earlier" not in peerread(tmp_path).var_names

    @pytest.mark.parametrize(
        ("content", "message"),
        [
            ('{"abstract": "Deep', "Unterminated string"),
            ("", "Expecting value"),
            ('{"title": "T"}', "'abstract'"),
            ('{"abstract": 1}', "the abstract is no text"),
            ('["abstract"]', "list indices"),
        ],
    )
    def test_a_file_that_is_no_paper_is_named(self, tmp_path, content, message):
        file = write_peerread(tmp_path) / "data/arxiv.cs.ai_2007-2017/train/reviews/2.json"
        file.write_text(content)
        with pytest.raises(InputError, match=f"2.json is no paper of PeerRead.*{message}"):
            peerread(tmp_path)

    def test_a_folder_without_papers_or_words_is_named(self, tmp_path):
        with pytest.raises(InputError, match=r"has no data/arxiv.cs.*: it must be a copy"):
            peerread(tmp_path)
        write_peerread(tmp_path, ["It is not.", ""])
        with pytest.raises(InputError, match=f"{tmp_path}: the abstracts have no words"):
            peerread(tmp_path)


class TestZeisel:
    def test_genes_that_vary_most_are_read_with_the_classes_of_cells(self, tmp_path):
        counts = np.full((4, 12), 3)
        counts[0, :6], counts[1, 0], counts[3, 0] = 9, 4, 24  # Variances 9, 0.08, 0 and 34.
        counts[2] = 0
        counts[2, 0] = 24  # The largest but one, of too few molecules.
        adata = zeisel(write_zeisel(tmp_path / "cortex.txt", counts), n_genes=2)
        assert adata.var_names.tolist() == ["Gene0", "Gene3"]
        np.testing.assert_array_equal(adata.X.toarray().T, counts[[0, 3]])
        assert adata.obs["label"].tolist() == ["microglia", "interneurons"] * 6
        assert adata.obs_names[11] == "1772011_A01"
        assert adata.uns["file"] == {"cells": 12, "genes": 4}
        assert zeisel(tmp_path / "cortex.txt").var_names.tolist() == ["Gene0", "Gene1", "Gene3"]

    def test_cells_without_a_count_of_these_genes_are_left_out(self, tmp_path):
        counts = np.full((2, 12), 5)
        counts[:, 4] = 0
        adata = zeisel(write_zeisel(tmp_path / "cortex.txt", counts))
        assert adata.n_obs == 11
        assert "177204_A01" not in adata.obs_names

    @pytest.mark.parametrize("key", ["cell_id", "level1class"])
    def test_a_missing_row_is_named(self, tmp_path, key):
        path = write_zeisel(tmp_path / "cortex.txt", drop=key)
        with pytest.raises(InputError, match=f"cortex.txt is not the whole .*{key}"):
            zeisel(path)

    @pytest.mark.parametrize(
        ("old", "new", "message"),
        [
            ("Gene7\t1", "Gene7", "not the whole of Zeisel's table"),
            ("Gene0\t1", "Gene0\t1\t4", "not the whole of Zeisel's table"),
            ("Gene7\t1\t", "Gene7\t1\tx", "could not convert"),
            ("Gene7\t1\t", "Gene7\t1\t-", "gene 'Gene7' in sample '177200_A01' is negative"),
            ("Gene7", "Gene6", "1 gene names occur more than once, such as 'Gene6'"),
            ("177201_A01", "177200_A01", "1 sample names occur more than once"),
        ],
    )
    def test_other_content_is_named(self, tmp_path, old, new, message):
        path = write_zeisel(tmp_path / "cortex.txt")
        path.write_text(path.read_text().replace(old, new))
        with pytest.raises(InputError, match=f"cortex.txt.*{message}"):
            zeisel(path)

    @pytest.mark.parametrize("share", [0.05, 0.6, 0.95, 0.999])
    def test_a_file_that_ends_early_is_named(self, tmp_path, share):
        path = write_zeisel(tmp_path / "cortex.txt")
        content = path.read_text()
        path.write_text(content[: int(share * len(content.rstrip()))].rstrip("0123456789"))
        with pytest.raises(InputError, match=r"cortex\.txt is not the whole of Zeisel's table"):
            zeisel(path)


class TestRead:
    def about(self, path, **more):
        return {
            **{"path": str(path), "reader": "zeisel", "address": "https://example.org/it"},
            **{"md5": None, "expect": {}, "arguments": {"n_genes": 3}},
            **more,
        }

    def test_it_hands_on_what_the_reader_returns(self, tmp_path):
        path = write_zeisel(tmp_path / "cortex.txt")
        checks = {"md5": md5(path.read_bytes()).hexdigest(), "expect": {"cells": 12, "genes": 8}}
        adata = read(self.about(path, **checks))
        assert adata.shape == (12, 3)
        assert adata.X.dtype == np.float32

    @pytest.mark.parametrize("reader", readers.READERS)
    def test_what_it_returns_can_be_kept_in_a_file(self, tmp_path, reader):
        folder = write_peerread(tmp_path)
        paths = {
            "movielens": write_movielens(tmp_path / "ml.zip"),
            "peerread": folder,
            "zeisel": write_zeisel(tmp_path / "cortex.txt"),
        }
        adata = read(self.about(paths[reader], reader=reader, arguments={}))
        adata.write_h5ad(tmp_path / "kept.h5ad")
        kept = anndata.read_h5ad(tmp_path / "kept.h5ad")
        np.testing.assert_array_equal(kept.X.toarray(), adata.X.toarray())
        pd.testing.assert_frame_equal(kept.obs, adata.obs)
        pd.testing.assert_index_equal(kept.var_names, adata.var_names)
        assert kept.uns["file"] == adata.uns["file"]

    @pytest.mark.parametrize(
        ("checks", "message"),
        [
            ({"md5": "0" * 32}, "has the MD5 [0-9a-f]{32} instead of 0{32}"),
            ({"expect": {"cells": 13}}, "has 12 cells instead of 13"),
        ],
    )
    def test_another_file_is_named_with_the_address(self, tmp_path, checks, message):
        path = write_zeisel(tmp_path / "cortex.txt")
        with pytest.raises(InputError, match=f"{path} {message}: get it from https://example.org"):
            read(self.about(path, **checks))


class TestRanking:
    RELEVANT = np.array([[1, 0, 1, 0, 1, 0], [0, 0, 0, 1, 0, 0]], dtype=bool)
    SCORES = np.array([[0.5, 0.4, 0.1, 0.3, 0.2, 0.0], [0.5, 0.4, 0.1, 0.3, 0.2, 0.0]])

    def test_recall_is_that_of_the_first_places(self):
        """Of three relevant ones the first place has one; of one the third place has it."""
        assert recall_of(self, 1) == pytest.approx((1 / 1 + 0 / 1) / 2)
        assert recall_of(self, 2) == pytest.approx((1 / 2 + 0 / 1) / 2)
        assert recall_of(self, 3) == pytest.approx((1 / 3 + 1 / 1) / 2)
        assert recall_of(self, 5) == pytest.approx(1)

    def test_gain_is_discounted_by_the_place_and_compared_with_the_best_order(self):
        """The first user's three are in places 1, 4 and 5, the second's one is in place 3."""
        gain = {place: 1 / math.log2(place + 1) for place in range(1, 6)}
        best = gain[1] + gain[2] + gain[3]
        expected = ((gain[1] + gain[4] + gain[5]) / best + gain[3] / gain[1]) / 2
        assert unseen.ndcg(self.RELEVANT, self.SCORES, 5) == pytest.approx(expected)
        expected = (gain[1] / best + gain[3] / gain[1]) / 2
        assert unseen.ndcg(self.RELEVANT, self.SCORES, 3) == pytest.approx(expected)

    def test_gain_is_that_of_scikit_learn(self):
        rng = np.random.default_rng(0)
        relevant, scores = rng.random((20, 15)) < 0.3, rng.random((20, 15))
        relevant[:, 0] = True
        expected = ndcg_score(relevant.astype(float), scores, k=10)
        assert unseen.ndcg(relevant, scores, 10) == pytest.approx(expected)


def recall_of(case, k):
    return unseen.recall(case.RELEVANT, case.SCORES, k)


class Stub:
    """A model whose factors are what it is given, and whose expected values follow from these."""

    def __init__(self, expected):
        self.expected = expected

    def factors(self, x):
        return x


class TestMeasures:
    def liked(self, n_users=40, n_movies=30):
        x = np.random.default_rng(1).random((n_users, n_movies)) < 0.4
        x[:, 0] = True
        return x.astype(np.float32)

    def test_a_fifth_of_the_counts_of_each_sample_is_held_out(self):
        x = np.random.default_rng(0).poisson(3, (50, 20)).astype(np.float32)
        x[0], x[0, 3] = 0, 1
        held_out = unseen._held_out(x, 1)
        assert ((held_out >= 0) & (held_out <= x)).all()
        np.testing.assert_array_equal(held_out.sum(1), np.ceil(0.2 * x.sum(1)))
        np.testing.assert_array_equal(held_out, unseen._held_out(x, 1))
        assert not np.array_equal(held_out, unseen._held_out(x, 2))

    def test_log_likelihood_is_that_of_the_shares_of_expected_values(self):
        x = np.random.default_rng(0).poisson(3, (50, 4)).astype(np.float32)
        expected = torch.tensor([1.0, 2.0, 5.0, 2.0])
        found = unseen.measures(Stub(lambda z: expected.expand(len(z), 4)), x, None, seed=1)
        log_share, held_out = np.log([0.1, 0.2, 0.5, 0.2]), unseen._held_out(x, 1)
        for ending, counts in (("", held_out), ("_given", x)):
            mean = (counts.sum(0) @ log_share) / counts.sum()
            assert found[f"log_likelihood{ending}"] == pytest.approx(mean)
        assert found.keys() == {"log_likelihood", "log_likelihood_given"}

    def test_what_is_impossible_to_a_model_costs_no_more_than_a_millionth(self):
        x = np.ones((6, 2), dtype=np.float32)
        one = torch.tensor([1.0, 0.0])
        found = unseen.measures(Stub(lambda z: one.expand(len(z), 2)), x, None, seed=1)
        assert found["log_likelihood_given"] == pytest.approx(math.log(1e-6) / 2)

    def test_a_model_that_copies_ranks_what_it_was_given_and_nothing_else(self):
        x = self.liked()
        found = unseen.measures(Stub(lambda z: z + 1e-3), x, None, seed=1)
        assert found["recall_5_given"] == found["ndcg_10_given"] == 1
        assert found["recall_5"] < 0.4

    def test_movies_that_were_given_are_not_ranked(self):
        """A model that ranks them first, and then those that are held out."""
        x = self.liked()
        shown = torch.from_numpy(x)
        found = unseen.measures(Stub(lambda z: 10 * z + shown + 1e-3), x, None, seed=1)
        assert found["recall_5"] == found["ndcg_10"] == 1

    def test_labels_are_told_from_factors(self):
        x = np.random.default_rng(0).poisson(3, (60, 5)).astype(np.float32)
        x[::2, 0] += 20
        label = pd.Series(["a", "b"] * 30, dtype="category")
        model = Stub(lambda z: torch.ones(len(z), 5))
        assert unseen.measures(model, x, label, seed=1)["labels"] > 0.95
        shuffled = label.sample(frac=1, random_state=0).reset_index(drop=True)
        assert unseen.measures(model, x, shuffled, seed=1)["labels"] < 0.75


METHODS = {
    "sparse_vae": {"fit": {"preset": "paper", "lr": 0.01}},
    "vae": {"lr": 0.01},
    "beta_vae": {"lr": 0.01, "beta": 4},
    "vsc": {"lr": 0.01, "slab": 0.5},
    "oi_vae": {"lr": 0.01, "weight": 1},
}
DESIGN = Folds(n_factors=3, hidden=[8, 8], epochs=2, batch_size=20, master_seed=1, folds=3)


class TestScores:
    @pytest.fixture
    def adata(self, tmp_path):
        rows = [(u, m, 5) for u in range(1, 41) for m in range(1, 41) if (u * m + u + m) % 4]
        return movielens(write_movielens(tmp_path / "ml.zip", rows=rows))

    @pytest.mark.parametrize("name", METHODS)
    def test_every_method_goes_from_the_file_to_the_summary(self, adata, name):
        method = {"title": "Its title", "model": name, **METHODS[name]}
        table, again = (unseen_scores(adata, "movies", DESIGN, method, 2) for _ in range(2))
        values = table.set_index("measure")["value"]
        ranked = ["recall_5", "ndcg_10", "recall_5_given", "ndcg_10_given"]
        assert values.index.tolist() == [
            *("log_likelihood", *ranked[:2], "log_likelihood_given", *ranked[2:], "seconds")
        ]
        assert values[ranked].between(0, 1).all()
        assert (values[["log_likelihood", "log_likelihood_given"]] < 0).all()
        assert (table[["data", "method", "fold"]] == ["movies", "Its title", 2]).all(axis=None)
        same = table["measure"] != "seconds"
        pd.testing.assert_frame_equal(table[same], again[same])
        found = unseen_summary(pd.concat([table, table.assign(fold=1, value=0)]))
        row = found[found["measure"] == "recall_5"].iloc[0]
        assert row["median"] == pytest.approx(values["recall_5"] / 2)
        assert row[["data", "method", "replicates"]].tolist() == ["movies", "Its title", 2]

    def test_each_sample_is_unseen_once_and_fitted_otherwise(self, adata, monkeypatch):
        """Told by the samples' own counts."""
        unseen_rows, fitted_rows = [], []

        def fit(design, method, x, seed, likelihood):
            assert likelihood == "negative_binomial"
            fitted_rows.append(x.numpy())

        def measures(model, x, label, seed):
            unseen_rows.append(x)
            return {"one": 1.0}

        monkeypatch.setattr(unseen, "fit", fit)
        monkeypatch.setattr(unseen, "measures", measures)
        for fold in (1, 2, 3):
            unseen_scores(adata, "movies", DESIGN, {"title": "T"}, fold)

        def in_order(rows):
            return sorted(map(tuple, np.concatenate(rows).tolist()))

        everything = in_order([adata.X.toarray()])
        assert in_order(unseen_rows) == everything
        for rows in zip(unseen_rows, fitted_rows, strict=True):
            assert in_order(rows) == everything

    def test_folds_that_are_not_there_are_named(self, adata):
        with pytest.raises(InputError, match="fold 4 of 3 folds of 40 samples: too many"):
            unseen_scores(adata, "movies", DESIGN, {"title": "T"}, 4)


class TestCounts:
    """The models' negative binomial, which the study of simulated data does not use."""

    N, G, K = 9, 5, 3

    @pytest.fixture
    def x(self):
        return torch.from_numpy(1.0 + np.random.default_rng(3).poisson(4, (self.N, self.G)))

    def test_misfit_is_that_of_scipy(self, x):
        """Mean l softplus(output), l the counts over G; variance mu + mu^2 / theta."""
        model = VAE(x, self.K, (6, 5), 0, "negative_binomial").double()
        z = torch.randn(self.N, self.K, generator=torch.Generator().manual_seed(1)).double()
        mu = model.expected(z) * x.mean(1, keepdim=True)
        mu, theta = mu.detach().numpy(), torch.exp(model.likelihood.log_theta).detach().numpy()
        expected = stats.nbinom.logpmf(x.numpy(), theta, theta / (theta + mu)).sum(1).mean()
        assert model.misfit(x, z).item() == pytest.approx(-expected, rel=1e-9)

    @pytest.mark.parametrize("model", [VAE, partial(VSC, slab=0.5)])
    def test_encoders_see_logarithms(self, x, model):
        fitted = model(x, self.K, (6, 5), 0, "negative_binomial").double()
        with torch.no_grad():
            given = fitted.encoded(x)
            expected = fitted.encoder(torch.log(1 + x))
        torch.testing.assert_close(given, expected)

    def test_the_sparse_vae_reads_the_factors_of_its_model(self):
        x = torch.from_numpy(np.random.default_rng(0).poisson(4, (80, 6)).astype(np.float32))
        fitted = SparseVAE(x, 3, [8, 8], 0, "negative_binomial", max_epochs=20)
        with torch.no_grad():
            z = fitted.factors(x)
            expected = fitted.expected(z)
        np.testing.assert_allclose(z, fitted.model.latent().shared, rtol=1e-4, atol=1e-5)
        module = fitted.model.module
        outputs = [reference.f(module.decoder, module.shared_mask[j] * z[5], j) for j in range(6)]
        one = torch.nn.functional.softplus(torch.stack(outputs)).detach()
        np.testing.assert_allclose(expected[5], one, rtol=1e-3, atol=1e-4)
