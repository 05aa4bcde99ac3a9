"""What figures say of themselves agrees with their tables."""

import re

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from symbench.config import registry
from symbench.figures.draw import draw_figure
from symbench.figures.finding import NOTHING, best_and_worst, smallest_and_largest
from symbench.report.build import section
from tests.figures import studies

FIGURES = {name: registry.resolve("figures", name) for name in registry.names("figures")}
NETWORK = {"task": "flow", "model": "fno", "label": "fno", "number": 0, "treatment": "none"}
ENDS = {"low": np.nan, "high": np.nan}
# For each figure a column, rows that give it two values, and both as they are told.
ROWS = {
    "cost": ("time_ratio", [{"evaluation": "average"}], (2.0, 8.0), "from 2 (fno", "to 8 (egnn"),
    "dimensions": ("time_ratio", [{"dimension": 5}], (2.0, 8.0), "from 2 (", "to 8 ("),
    "eigengap": (
        "equivariance_error",
        [{"relative_gap": 0.1}, {"relative_gap": 0.9, "equivariance_error": 7.0}],
        (0.2, 0.3),
        "from 0.2 (",
        "to 0.3 (",
    ),
    "error_by_elements": (
        "score",
        [
            {"averaged": True, "elements": 8},
            {"averaged": True, "elements": 1, "score": 4.0},
        ],
        (1.0, 2.0),
        "from 0.25 (",
        "to 0.5 (",
    ),
    "error_by_parameters": (
        "score",
        [{"parameters": 7, "metric": "mse"}],
        (0.1, 0.4),
        "mse: from 0.1 (fno, 7 parameters on flow)",
        "to 0.4",
    ),
    "error_by_time": (
        "score",
        [{"evaluation": "plain", "metric": "mse", "better": "lower"}],
        (0.1, 0.4),
        "On flow the best mse is 0.1 (fno)",
        "the worst 0.4 (egnn)",
    ),
    "frontier": (
        "score",
        [
            {"evaluation": "plain", "metric": "auc", "better": "higher", "training": 1.0},
            {
                "evaluation": "plain",
                "metric": "auc",
                "better": "higher",
                "treatment": "augment",
                "training": 3.0,
                "score": 0.2,
            },
        ],
        (0.1, 0.4),
        "On flow the best auc is 0.4 (egnn), the worst 0.1 (fno)",
        "from 3 (fno, augment on flow)",
    ),
    "gain": (
        "percent",
        [{"metric": "mse", "low": -30.0, "high": -1.0}],
        (-20.0, -10.0),
        "lowers the score of 2 of 2 networks and raises that of 0",
        "from -20 (fno on flow) to -10",
    ),
    "gain_by_sweep": (
        "percent",
        [{"sweep": "sizes", "value": 9.0}, {"sweep": "sizes", "value": 5.0, "percent": -90.0}],
        (-20.0, -10.0),
        "from -20 (fno, sweep sizes on flow) to -10",
        "in %",
    ),
    "gain_by_subset": (
        "share",
        [
            {"part": "subset", "elements": 4},
            {"part": "subset", "elements": 8, "share": 1.0},
            {"part": "subgroup", "elements": 4, "share": 0.4},
        ],
        (0.5, 0.7),
        "Half of the elements keep 0.6 of the gain in the median.",
        "0.4 (fno on flow)",
    ),
    "generalisation": (
        "score",
        [
            {"part": "outside", "metric": "force_mae"},
            {"part": "test", "metric": "force_mae", "score": 2.0},
        ],
        (4.0, 8.0),
        "from 2 (fno, metric force_mae on flow)",
        "to 4 (",
    ),
    "lead_time": (
        "median",
        [{"operator": "plain", "lead_time": 9}, {"operator": "plain", "lead_time": 1}],
        (0.5, 0.75),
        "plain: from 0.5 (",
        "to 0.75 (",
    ),
    "link_auc": (
        "auc",
        [{"evaluation": "plain", "seed": 0, "oracle_auc": 0.9}],
        (0.6, 0.8),
        "from 0.6 (fno on flow) to 0.8 (egnn on flow)",
        "Oracle: 0.9 on flow; chance: 0.5.",
    ),
    "multipliers": (
        "value",
        [
            {"quantity": "gamma", "seed": 0, "layer": "first", "epoch": 3},
            {"quantity": "gamma", "seed": 0, "layer": "first", "epoch": 1, "value": 9.0},
        ],
        (-0.2, 0.1),
        "from 0.1 (egnn, layer first on flow)",
        "to 0.2 (fno",
    ),
    "parity": (
        "predicted",
        [
            {"quantity": "energy", "true": 0.0},
            {"quantity": "energy", "true": 2.0, "predicted": 2.0},
        ],
        (0.0, 2.0),
        "from -1 (egnn, quantity energy on flow)",
        "to 1 (fno, quantity energy on flow)",
    ),
    "plateaus": (
        "gradient_variance",
        [{"qubits": 9}, {"qubits": 3, "gradient_variance": 1.0}],
        (0.1, 0.2),
        "from 0.1 (fno, 9 qubits on flow) to 0.2 (egnn",
        "",
    ),
    "predicted_gain": ("gain", [{"predicted": 2.0}], (1.0, 4.0), "from 0.5 (", "to 2 ("),
    "robustness": (
        "score",
        [{"test_set": "noise"}, {"test_set": "as trained", "score": 0.5}],
        (1.0, 2.0),
        "from 2 (fno, test set noise on flow)",
        "to 4 (egnn",
    ),
    "spectra": (
        "power",
        [
            {"series": "plain", "lead_time": 5, "wavenumber": 9},
            {"series": "truth", "lead_time": 5, "wavenumber": 9, "power": 4.0},
            {"series": "plain", "lead_time": 1, "wavenumber": 9, "power": 400.0},
        ],
        (1.0, 2.0),
        "from 0.25 (",
        "to 0.5 (",
    ),
    "sweeps": (
        "score",
        [
            {"sweep": "sizes", "value": 50.0, "evaluation": "plain"},
            {"sweep": "sizes", "value": 5.0, "evaluation": "plain", "score": 4.0},
        ],
        (1.0, 2.0),
        "from 0.25 (fno, sweep sizes)",
        "to 0.5 (egnn, sweep sizes)",
    ),
    "test_loss": (
        "mean",
        [{"epoch": 1}, {"epoch": 0, "mean": 4.0}],
        (1.0, 2.0),
        "Test loss after the last epoch over that after the first: from 0.25",
        "to 0.5",
    ),
    "validation_loss": (
        "mean",
        [{"epoch": 1}, {"epoch": 0, "mean": 4.0}],
        (1.0, 2.0),
        "Validation loss after the last epoch over that after the first: from 0.25",
        "to 0.5",
    ),
    "violation_by_irrep": (
        "share",
        [{"irrep": "A2"}, {"irrep": "trivial", "share": 0.5}],
        (0.1, 0.25),
        "from 10 (fno on flow) to 25 (egnn on flow)",
        "in %",
    ),
}


def made(name: str, values: tuple[float, float]) -> pd.DataFrame:
    """The rows of a figure for two networks."""
    column, rows, *_ = ROWS[name]
    networks = zip(("fno", "egnn"), values, strict=True)
    # One task for each network where a figure shows the last model of each task alone.
    tasks = {"egnn": "other"} if name == "spectra" else {}
    return pd.DataFrame(
        [
            {
                **NETWORK,
                **ENDS,
                **dict.fromkeys(("model", "label", "architecture"), network),
                column: value,
                **row,
                "task": tasks.get(network, "flow"),
            }
            for network, value in networks
            for row in rows
        ]
    ).drop(columns="label" if name in WITHOUT_LABELS else [])


WITHOUT_LABELS = {*ROWS} - {
    "error_by_elements",
    "error_by_time",
    "generalisation",
    "link_auc",
    "predicted_gain",
}


@pytest.mark.parametrize("name", ROWS)
def test_what_is_told_follows_from_the_table(name):
    _, _, values, *told = ROWS[name]
    text = FIGURES[name].tell(made(name, values))
    assert all(part in text for part in told), text
    assert 1 <= len(re.findall(r"\.(?= [A-Z]|$)", text)) <= 3


@pytest.mark.parametrize("name", ROWS)
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_of_what_is_not_finite_nothing_is_told(name, value):
    table = made(name, (1.0, 1.0))
    column = ROWS[name][0]
    assert FIGURES[name].tell(table.assign(**{column: value})) == NOTHING
    assert FIGURES[name].tell(table.iloc[:0]) == NOTHING


def test_networks_that_diverged_are_counted():
    text = FIGURES["cost"].tell(made("cost", (2.0, np.inf)))
    assert text == (
        "Time of inference over the plain one: 2 (fno, averaged on flow); 1 more is not finite."
    )
    row = {"task": "flow", "metric": "mse", "better": "lower", "evaluation": "plain"}
    scores = {"a": 0.1, "b": 0.2, "c": np.inf, "d": np.inf}
    rows = [row | {"model": model, "score": score} for model, score in scores.items()]
    assert best_and_worst(pd.DataFrame(rows)) == (
        "On flow the best mse is 0.1 (a), the worst 0.2 (b). Of all scores 2 more are not finite."
    )


def test_each_task_has_its_oracle_and_a_trial_that_failed_counts():
    rows = [
        {"task": task, "label": "gcn", "evaluation": "plain", "auc": auc, "oracle_auc": oracle}
        for task, auc, oracle in [("er", 0.5, 0.97), ("ba", 0.6, 0.62), ("ba", np.nan, 0.62)]
    ]
    text = FIGURES["link_auc"].tell(pd.DataFrame(rows))
    assert text == "Mean AUC: 0.5 (gcn on er). Oracle: 0.97 on er, 0.62 on ba; chance: 0.5."


def test_images_and_circuits_are_told():
    assert {*FIGURES} - {*ROWS} == {"panels", "circuits"}
    images = xr.Dataset(coords={"image": ["error, plain", "error, averaged"], "flow_lead": [1, 5]})
    assert FIGURES["panels"].tell(images) == NOTHING
    images["flow"] = ("flow_lead", [0.0, 0.0])
    images["flow"].attrs = {"model": "fno"}
    images["flow_rms"] = (("flow_lead", "image"), [[1.0, 1.0], [2.0, 1.5]])
    assert FIGURES["panels"].tell(images).endswith("shown: 0.75 (fno on flow).")
    gates = pd.DataFrame({"architecture": "ring", "qubits": 3, "gate": ["H", "CNOT"]})
    assert FIGURES["circuits"].tell(gates) == "Gates of one block: 2 (ring, 3 qubits)."
    assert FIGURES["circuits"].tell(gates.iloc[:0]) == NOTHING


def test_the_task_where_networks_lie_farthest_apart_is_named():
    row = {"metric": "mse", "better": "lower", "model": "fno", "evaluation": "plain"}
    scores = {"easy": (1.0, 1.1), "hard": (1.0, 3.0)}
    rows = [row | {"task": task, "score": s} for task, both in scores.items() for s in both]
    text = best_and_worst(pd.DataFrame(rows))
    assert text.startswith("Of 2 tasks, networks lie farthest apart on one. On hard the best mse")


def test_a_single_value_is_neither_smallest_nor_largest():
    table = pd.DataFrame([{"task": "flow", "model": "fno", "value": 2.0}])
    assert smallest_and_largest("It", table, "value") == "It: 2 (fno on flow)."


def test_the_report_gives_the_finding_to_those_who_do_not_see(tmp_path):
    study = studies.study(figures=[{"name": "cost", "caption": "Costs"}])
    results = studies.results(study, tmp_path)
    draw_figure(results, "cost")
    (shown,) = section(results).figures
    assert shown.finding == FIGURES["cost"].tell(FIGURES["cost"].table(results))
    assert shown.finding.startswith("Time of inference over the plain one: from ")
    assert shown.caption == "Costs"
