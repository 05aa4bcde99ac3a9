"""Scores of one's own methods, judged as claims are."""

import sys
import zipfile

import numpy as np
import pandas as pd
import pytest

from symbench import cli
from symbench.errors import ConfigError, DataError
from symbench.own_scores import judge_scores, read_scores, what_is_open
from symbench.statistics import mean, relative_change

KIND = "scores of own methods"


def table(**changes):
    """Three methods, four seeds, ten samples; what is common to a seed or a sample is shared."""
    rng = np.random.default_rng(0)
    common = 1 + 0.1 * rng.standard_normal((4, 1)) + 0.3 * rng.standard_normal((1, 10))
    rows = []
    for method, factor in {"plain": 1.0, "averaged": 0.8, "twin": 1.0}.items():
        values = factor * common + 1e-3 * (method != "plain") * rng.standard_normal((4, 10))
        rows += [
            {"method": method, "seed": seed, "sample": sample, "score": values[seed, sample]}
            for seed in range(4)
            for sample in range(10)
        ]
    return pd.DataFrame(rows).assign(**changes)


def read(frame, tmp_path):
    path = tmp_path / "scores.csv"
    frame.to_csv(path, index=False)
    return read_scores(path)


def test_pairs_tell_methods_apart_that_seeds_and_samples_hide(tmp_path):
    scores = read(table().sample(frac=1, random_state=1), tmp_path)
    found = judge_scores(scores, "plain").set_index("method")
    assert found.verdict.dropna().to_dict() == {"averaged": "better", "twin": "open"}
    assert found.loc["averaged", ["best_rank", "worst_rank"]].tolist() == [1, 1]
    assert found.loc["twin", ["best_rank", "worst_rank"]].tolist() == [2, 3]
    # The same numbers as those of a claim.
    plain, averaged = (mean(scores[name].values, range(4)) for name in ("plain", "averaged"))
    change = relative_change(averaged, plain)
    assert found.change["averaged"] == pytest.approx(change.value)
    ends = change.interval("networks trained so", 0.975)
    assert found.loc["averaged", ["change_low", "change_high"]].tolist() == pytest.approx(ends)
    higher = judge_scores(scores, "plain", better="higher")
    assert higher.method.iloc[-1] == "averaged"
    assert higher.set_index("method").verdict["averaged"] == "worse"


def test_arrays_and_predictions_give_what_scores_give(tmp_path):
    rng = np.random.default_rng(0)
    truth = rng.standard_normal((6, 3))
    predictions = {name: truth + rng.standard_normal((2, 6, 3)) for name in ("one", "other")}
    np.savez(tmp_path / "p.npz", truth=truth, **predictions)
    errors = {name: ((each - truth) ** 2).mean(axis=2) for name, each in predictions.items()}
    np.savez(tmp_path / "s.npz", **errors)
    pd.testing.assert_frame_equal(
        *(judge_scores(read_scores(tmp_path / f"{name}.npz"), "one") for name in "ps")
    )


def test_blocks_are_what_is_independent(tmp_path):
    frame = table()
    scores = read(frame.assign(block=frame["sample"] // 5), tmp_path)
    assert scores["plain"].blocks == (0, 1)
    assert scores["plain"].estimate.value == pytest.approx(
        frame[frame.method == "plain"].score.mean()
    )
    whole = read(frame, tmp_path)["plain"].values
    np.testing.assert_allclose(scores["plain"].values, whole.reshape(4, 2, 5).mean(2))


def test_blanks_after_labels_and_further_columns_mean_nothing(tmp_path):
    frame = table().assign(hours=1.0, position=2.0)
    texts = {name: frame[name].map("l{}".format) for name in ("seed", "sample")}
    texts["block"] = (frame["sample"] // 5).map("scene{}".format)
    blanks = np.where(frame.index % 2, " ", "")
    blank = {name: labels + blanks for name, labels in texts.items()}
    found = read(frame.assign(**blank), tmp_path)["plain"]
    expected = read(frame.assign(**texts), tmp_path)["plain"]
    assert found.blocks == expected.blocks == ("scene0", "scene1")
    assert found.seeds == expected.seeds
    np.testing.assert_array_equal(found.values, expected.values)


@pytest.mark.tried(KIND, "a score that is no number", "right")
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_what_diverged_has_no_verdict(tmp_path, value):
    frame = table()
    frame.loc[45, "score"] = value
    found = judge_scores(read(frame, tmp_path), "plain").set_index("method")
    assert not np.isfinite(found.score["averaged"])
    assert found.verdict["averaged"] == "open"


def without(row):
    return lambda frame: frame.drop(index=row)


@pytest.mark.tried(KIND, "lost samples, samples twice, texts, other columns", "refused")
@pytest.mark.parametrize(
    ("change", "said"),
    [
        (without(45), "averaged lacks sample 5 of seed 0"),
        (lambda frame: pd.concat([frame, frame[:1]]), "sample 0 of seed 0 of plain is there twice"),
        (lambda frame: frame.assign(score="high"), "column 'score' holds what is no number"),
        (lambda frame: frame.drop(columns="seed"), "has no column 'seed'"),
        (lambda frame: frame.assign(method=None), "without a method"),
        (lambda frame: frame.assign(block=range(len(frame))), "sample 0 is in two blocks"),
        (lambda frame: frame.assign(truth=0.0), "has no column 'prediction'"),
        (lambda frame: frame.assign(truth=0, prediction=1), "scores beside predictions and truth"),
        (lambda frame: frame.assign(block=None), "or a block"),
        (lambda frame: pd.concat([frame, frame.score], axis=1), "has the column 'score' twice"),
        (lambda frame: frame[:0], "has no rows"),
        (lambda frame: frame.assign(blocks=0), "'blocks', which nothing reads.* mean 'block'"),
        (lambda frame: frame.assign(Block=0), "'Block', which nothing reads.* mean 'block'"),
        (lambda frame: frame.assign(Truth=0, prediction=1), "'Truth'.* mean 'truth'"),
        (lambda frame: frame.assign(prediction=1), "predictions without truth beside scores"),
        (lambda frame: frame.assign(block=" "), "or a block"),
    ],
)
def test_tables_that_cannot_be_judged_are_refused(tmp_path, change, said):
    with pytest.raises(DataError, match=said):
        read(change(table()), tmp_path)


@pytest.mark.parametrize(("part", "refused"), [(2.0, True), (1 + 1e-5, True), (1 + 6e-8, False)])
def test_a_sample_has_one_truth(tmp_path, part, refused):
    frame = table().rename(columns={"score": "prediction"})
    frame["truth"] = 1.5
    frame.loc[45, "truth"] *= part
    if not refused:
        assert set(read(frame, tmp_path)) == {"plain", "averaged", "twin"}
        return
    with pytest.raises(DataError, match=f"sample 5 has the truths 1.5 and {1.5 * part:.9g}"):
        read(frame, tmp_path)


@pytest.mark.tried(KIND, "pickles, other shapes, no method in an .npz file", "refused")
@pytest.mark.parametrize(
    ("arrays", "said"),
    [
        ({"a": np.array([object()])}, "cannot be read as .npz"),
        ({"truth": np.ones(3)}, "holds no scores"),
        ({"a": np.ones(3)}, r"not \(seed, sample\)"),
        ({"a": np.ones((2, 0)), "truth": np.ones(0)}, r"not \(seed, sample\)"),
        ({"a": 1j * np.ones((2, 3))}, "a holds what is no number"),
        ({"a": np.ones((2, 3)), "b": np.ones((2, 4))}, "different numbers of samples"),
        ({"a": np.ones((2, 3)), "truth": np.ones(4)}, "needs a seed in front"),
    ],
)
def test_arrays_that_cannot_be_judged_are_refused(tmp_path, arrays, said):
    path = tmp_path / "scores.npz"
    np.savez(path, **arrays)
    with pytest.raises(DataError, match=said):
        read_scores(path)


def test_an_unknown_baseline_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="Did you mean 'plain'"):
        judge_scores(read(table(), tmp_path), "plian")


@pytest.mark.tried(KIND, "decimal commas; a cut .npz file, or one that is an array", "refused")
@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("s.csv", b"method,seed,sample,score\na,0,0,1,5\na,1,0,1,5\n"),
        ("s.npz", b"PK\x03\x04"),
        ("s.npz", b"\x93NUMPY\x01\x00v\x00{}"),
    ],
)
def test_files_that_are_something_else_are_refused(tmp_path, name, content):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(DataError, match="cannot be read as"):
        read_scores(path)


@pytest.mark.parametrize("suffix", [".gz", ".bz2", ".xz", ".zip", ".zst", ".GZ"])
def test_packed_tables_are_refused(tmp_path, suffix):
    path = tmp_path / f"scores.csv{suffix}"
    path.write_bytes(b"cut")
    with pytest.raises(DataError, match="is compressed: unpack it first"):
        read_scores(path)


def test_members_of_an_npz_that_are_no_arrays_are_refused(tmp_path):
    path = tmp_path / "scores.npz"
    np.savez(path, a=np.ones((2, 3)))
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("__MACOSX/._a.npy", b"\0\5\x16\7")
    with pytest.raises(DataError, match=r"__MACOSX/\._a holds what is no number"):
        read_scores(path)


@pytest.mark.tried(KIND, "spaces after commas, a method called None, booleans", "right")
def test_names_are_texts_and_booleans_are_numbers(tmp_path):
    path = tmp_path / "scores.csv"
    path.write_text(
        "method, seed, sample, prediction, truth\n"
        "None , s1, 0, True, False\n\nNone, s2, 0, False, False\n"
    )
    scores = read_scores(path)
    assert scores["None"].seeds == ("s1", "s2")
    assert scores["None"].values.tolist() == [[1.0], [0.0]]


def test_verdicts_replace_no_file(tmp_path, monkeypatch, capsys):
    read(table(), tmp_path)
    scores, verdicts = tmp_path / "scores.csv", tmp_path / "verdicts.csv"
    before = scores.read_bytes()
    for output, code in ((verdicts, 0), (verdicts, 1), (scores, 1)):
        words = ("judge", scores, "--baseline", "plain", "--output", output)
        monkeypatch.setattr(sys, "argv", ["symbench", *map(str, words)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        said = capsys.readouterr().err
        assert ended.value.code == code
        assert not code or f"{output} is there already, and is left as it is" in said
    assert scores.read_bytes() == before


@pytest.mark.tried(KIND, "a baseline whose score is zero; one seed", "right")
def test_what_is_open_is_told(tmp_path):
    frame = table()
    scores = read(frame.assign(score=frame.score.where(frame.method != "plain", 0.0)), tmp_path)
    found = judge_scores(scores, "plain").set_index("method")
    assert found.loc["plain", ["best_rank", "worst_rank"]].tolist() == [1, 1]
    assert found.loc["averaged", ["best_rank", "worst_rank"]].tolist() == [2, 2]
    (sentence,) = what_is_open(found.reset_index(), "plain", "networks trained so")
    assert sentence == "No change is relative to the score of plain, 0."
    one = judge_scores(read(frame[frame.seed == 0], tmp_path), "plain")
    (sentence,) = what_is_open(one, "plain", "networks trained so")
    assert sentence.startswith("One seed gives no interval: averaged, ")
    assert not what_is_open(one, "plain", "this network")
