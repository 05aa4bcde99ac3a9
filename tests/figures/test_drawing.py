"""Every figure draws whatever there is, and says in a sentence what it cannot show."""

import re
import warnings

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
import xarray as xr
from matplotlib.figure import Figure
from PIL import Image

from symbench.config import registry
from symbench.config.run import SweepPoint
from symbench.errors import ConfigError, DataError
from symbench.figures.draw import FINGERPRINT, draw_figure, drawing
from symbench.figures.drawing import Drawing
from symbench.figures.results import StudyResults
from symbench.figures.style import HUES, figure_style, hue, note
from tests.figures import studies
from tests.figures.legibility import collisions

NAMES = registry.names("figures")
FIGURES = {name: registry.resolve("figures", name) for name in NAMES}
SOMETHING = "drawn by a user of the package"


def of_fields(folder, change=None, **more) -> StudyResults:
    tasks = more.pop("tasks", {"exact": studies.fields()})
    return studies.results(studies.study(tasks, models=["first"], **more), folder, change)


def of_points(folder, change=None, **more) -> StudyResults:
    """Points that have all that any figure of samples wants."""
    scores = ["mse", "energy_mae", "force_mae", "auc", "oracle_auc", "relative_gap"]
    parameters = {"scores": scores, "test_sets": ["train", "outside"]}
    tasks = {f"d{d}": studies.points(dimension=d, **parameters) for d in (2, 3)}
    points = {
        name: [SweepPoint("sizes", "training samples", number)]
        for name, number in (("d2", 5.0), ("d3", 50.0))
    }
    made = studies.study(tasks, models=["sign_equivariant"], sweeps=points, **more)
    return studies.results(made, folder, lambda *given: with_outputs(change, *given))


def with_outputs(change, dataset, run, evaluation):
    values = np.random.default_rng(run.seed).standard_normal((2, 4, 2))
    for name, of_name in zip(("targets", "predictions"), values, strict=True):
        dataset[name] = (("sample", "output"), of_name)
    dataset["sensitivity"] = ("sample", np.ones(4))
    units = {"quantity": ("output", ["energy", "force"]), "unit": ("output", ["meV", "meV/Å"])}
    dataset = dataset.assign_coords(units)
    return change(dataset, run, evaluation) if change else dataset


def with_values(value):
    """A change that puts a value in place of half of all values of each variable."""

    def change(dataset, run, evaluation):
        for name, values in dataset.data_vars.items():
            flat = values.values.astype(float).ravel()
            flat[::2] = value
            dataset[name] = (values.dims, flat.reshape(values.shape))
        return dataset

    return change


def without_rollouts(dataset, run, evaluation):
    dropped = dataset.drop_dims(["operator", "lead_time", "trajectory", "panel_lead", "wavenumber"])
    return dropped.assign_attrs(no_rollout="no test trajectory is long enough")


def equivariant(dataset, run, evaluation):
    if evaluation == "average":
        dataset["error_gram"] = xr.ones_like(dataset.error_gram)
        for name in ("orbit_variance", "orbit_distance"):
            dataset[name] = xr.zeros_like(dataset[name])
    return dataset


def without_gain(dataset, run, evaluation):
    """The first element is right, the others are wrong: averaging harms."""
    if evaluation == "average":
        dataset["error_gram"] = xr.ones_like(dataset.error_gram)
        dataset.error_gram[..., 0, :] = 0.01
        dataset.error_gram[..., :, 0] = 0.01
    return dataset


def without_histories(found: StudyResults) -> StudyResults:
    for run in found.study.runs:
        studies.write_history(found.layout, run, [])
    return found


def with_missing(found: StudyResults) -> StudyResults:
    run = found.study.runs[0]
    found.layout.evaluation("made", *run.key, run.evaluations[0], run.seed).unlink()
    return StudyResults(found.study, found.layout)


# The elements of made results are all of this group.
MIRROR = {"exact": studies.fields() | {"group": "flip_x"}}
CASES = {
    "fields": of_fields,
    "points": of_points,
    "broken": lambda path: of_fields(path, tasks={"broken": studies.fields(exact=False)}),
    "augmented fields": lambda path: of_fields(path, treatments=["augment"]),
    "augmented points": lambda path: of_points(path, treatments=["augment"]),
    "plain fields": lambda path: of_fields(path, evaluations=["plain"]),
    "plain points": lambda path: of_points(path, evaluations=["plain"]),
    "averaged alone": lambda path: of_fields(path, evaluations=["average"]),
    "one seed": lambda path: of_points(path, seeds=[0]),
    "no histories": lambda path: without_histories(of_points(path)),
    "nan": lambda path: of_points(path, with_values(np.nan)),
    "infinite": lambda path: of_points(path, with_values(np.inf)),
    "infinite fields": lambda path: of_fields(path, with_values(np.inf)),
    "zeros": lambda path: of_points(path, with_values(0.0)),
    "negative": lambda path: of_points(path, with_values(-1.0)),
    "equivariant": lambda path: of_fields(path, equivariant),
    "mirror": lambda path: of_fields(path, tasks=MIRROR),
    "equivariant mirror": lambda path: of_fields(path, equivariant, tasks=MIRROR),
    "infinite mirror": lambda path: of_fields(path, with_values(np.inf), tasks=MIRROR),
    "no gain": lambda path: of_fields(path, without_gain),
    "too short": lambda path: of_fields(path, without_rollouts),
    "missing runs": lambda path: with_missing(of_points(path)),
}


@pytest.fixture(scope="module", params=CASES)
def found(request, tmp_path_factory) -> StudyResults:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        return CASES[request.param](tmp_path_factory.mktemp("results"))


def drawn(found: StudyResults, name: str) -> Figure:
    with figure_style():
        figure = FIGURES[name].draw(FIGURES[name].table(found))
        figure.draw_without_rendering()
    return figure


def texts(figure: Figure) -> str:
    everywhere = [*figure.texts, *(text for axis in figure.axes for text in axis.texts)]
    return " ".join(" ".join(text.get_text().split()) for text in everywhere)


@pytest.mark.filterwarnings("error::RuntimeWarning", "error::UserWarning")
def test_every_figure_draws_every_case(found):
    """And nothing that is to be read lies on something else."""
    for name in NAMES:
        assert not collisions(drawn(found, name)), name


@pytest.mark.filterwarnings("error::RuntimeWarning", "error::UserWarning")
def test_every_figure_tells_every_case(found):
    """In sentences with finite numbers."""
    for name, figure in FIGURES.items():
        told = figure.tell(figure.table(found))
        assert told.endswith("."), name
        assert not re.search(r"\b(nan|inf)\b", told), (name, told)


def test_labels_that_lie_on_each_other_are_found():
    figure = Figure(figsize=(2, 2))
    axes = figure.subplots()
    axes.set(xlim=(0, 10), xticks=[1, 1.2])
    assert collisions(figure) == ["figure: '1.0' lies on '1.2'"]
    axes.set_xticks([1, 8])
    assert collisions(figure) == []


@pytest.mark.parametrize("name", NAMES)
def test_a_figure_without_anything_to_draw_says_so_in_a_sentence(name, tmp_path):
    found = studies.results(studies.study(evaluations=["frame"]), tmp_path)
    for run in found.study.runs:
        studies.write_history(found.layout, run, [])
    if name == "error_by_time":
        found.__dict__["_found"] = ([], [])
    text = texts(drawn(found, name))
    assert text.startswith("No ")
    assert text.endswith(".")


def test_values_that_are_not_finite_are_counted(tmp_path):
    found = of_points(tmp_path, with_values(np.inf))
    assert "not finite, and not shown" in texts(drawn(found, "error_by_time"))


def test_equivariant_networks_are_named(tmp_path):
    text = texts(drawn(of_fields(tmp_path, equivariant), "predicted_gain"))
    assert "Equivariant to round-off" in text


@pytest.mark.parametrize("orbit_variance", [0.0, 3e-15])
def test_equivariant_networks_do_not_stretch_the_axes(tmp_path, orbit_variance):
    drawing = FIGURES["predicted_gain"]
    table = drawing.table(of_fields(tmp_path))
    without = drawing.draw(table).axes[0].get_xlim()
    one = table.iloc[[0]].assign(
        label="averaged", predicted=orbit_variance, predicted_low=0.0, predicted_high=1e-14
    )
    figure = drawing.draw(pd.concat([table, one]))
    assert figure.axes[0].get_xlim() == without
    assert f"{one.task.iloc[0]}, averaged" in texts(figure)
    assert f"1 of {len(table) + 1}" in texts(figure)


def test_shares_of_round_off_are_named(tmp_path):
    figure = drawn(of_fields(tmp_path, equivariant, tasks=MIRROR), "violation_by_irrep")
    assert "1 of 2 shares" in texts(figure)
    assert "exact, first" in texts(figure)
    assert figure.axes[0].get_ylim()[0] > 1


def test_gains_below_zero_are_on_the_axis(tmp_path):
    figure = drawn(of_fields(tmp_path, without_gain), "predicted_gain")
    low, high = figure.axes[0].get_ylim()
    gain = FIGURES["predicted_gain"].table(of_fields(tmp_path, without_gain)).gain.iloc[0]
    assert gain < 0
    assert low < gain < high


def test_diverged_rollouts_are_counted(tmp_path):
    def change(dataset, run, evaluation):
        if evaluation == "plain":
            dataset.rollout_vrmse[0, 1, 0] = np.inf
        return dataset

    text = texts(drawn(of_fields(tmp_path, change), "lead_time"))
    assert "2 of 6 (exact, first, plain)" in text


def of_user(results: StudyResults) -> pd.DataFrame:
    return pd.DataFrame({"seeds": [len(results.groups[0].seeds)]})


def draw_of_user(table) -> Figure:
    figure = Figure(figsize=(3, 2))
    figure.subplots().set_title(f"{table.seeds.iloc[0]} seeds")
    return figure


OWN = Drawing(of_user, draw_of_user)


def with_figure(**figure: str) -> dict[str, object]:
    return {"figures": [{"name": "own", "caption": "of mine", **figure}]}


def test_draw_figure_writes_image_and_table_whatever_the_settings_of_the_user(tmp_path):
    made = studies.study(**with_figure(draw="tests.figures.test_drawing:OWN"))
    layout = with_missing(studies.results(made, tmp_path)).layout
    with mpl.rc_context({"text.usetex": True, "font.size": 40}):
        draw_figure(StudyResults(made, layout), "own")
        assert mpl.rcParams["text.usetex"]
    assert pd.read_csv(layout.figure("made", "own", "csv")).seeds.tolist() == [1]
    assert layout.figure("made", "own", "pdf").read_bytes().startswith(b"%PDF")
    with Image.open(layout.figure("made", "own")) as image:
        # Three inches at 140 dots each; the sentence on missing runs is wider than the axes.
        assert 380 < image.width < 640
        assert 250 < image.height < 400
        assert image.info[FINGERPRINT] == made.figure_fingerprint("own")


def test_images_are_kept_as_a_data_set(tmp_path):
    made = studies.study(
        {"exact": studies.fields()}, figures=[{"name": "panels", "caption": "fields"}]
    )
    layout = studies.results(made, tmp_path).layout
    draw_figure(StudyResults(made, layout), "panels")
    kept = xr.load_dataset(layout.figure("made", "panels", "nc"), engine="h5netcdf")
    assert kept["exact"].sizes["image"] == 5
    assert not layout.figure("made", "panels", "csv").exists()


def test_what_is_no_drawing_is_refused():
    made = studies.study(**with_figure(draw="tests.figures.test_drawing:SOMETHING"))
    with pytest.raises(ConfigError, match=r"is a str, no symbench\.figures\.drawing\.Drawing"):
        drawing(made, "own")


def test_a_table_that_is_not_there_is_named(tmp_path):
    found = studies.results(studies.study(), tmp_path, compare=False)
    with pytest.raises(DataError, match=r"metrics\.csv is not there"):
        FIGURES["cost"].table(found)


def test_registered_figures_are_drawings():
    assert len(NAMES) == 25
    assert all(isinstance(figure, Drawing) for figure in FIGURES.values())


def test_hues_are_ten_and_come_again():
    assert len(HUES) == 10
    assert hue(3) == hue(13) != hue(4)


def test_notes_stand_below_each_other():
    figure = Figure()
    note(figure, "One.")
    note(figure, "Two.")
    assert [text.get_text() for text in figure.texts] == ["One.\nTwo."]


def test_names_are_texts_even_if_they_look_like_numbers(tmp_path):
    found = studies.results(studies.study(models=["1e5", "nan"]), tmp_path)
    assert set(found.metrics.model) == {"1e5", "nan"}
    assert found.metrics.lead_time.iloc[0] == "1"
