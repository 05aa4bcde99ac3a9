"""What a config names is checked before the first job: code, groups, parameters, tasks, claims."""

import pytest

from tests.config.configs import FIELDS, RUN, TASK, assert_refused, claim, read

GRAPHS = "sign_equivariant"


@pytest.mark.parametrize(
    ("said", "key", "words"),
    [
        ({"tasks": {TASK: {"dataset": "gray_scot"}}}, "tasks.gray_scott.dataset", "'gray_scott'?"),
        ({"models": {"fno": {"architecture": "fnoo"}}}, "models.fno.architecture", "mean 'fno'?"),
        # Of what no run names too.
        (
            {"models": {"mine": {"architecture": "fnoo"}}},
            "models.mine.architecture",
            "Unknown model 'fnoo'; allowed: egnn, ",
        ),
        (
            {"treatments": {"mine": {"method": "augmnt"}}},
            "treatments.mine.method",
            "Unknown treatment 'augmnt'; allowed: augment, canonicalise, constrain, ",
        ),
        ({"figures": [{"name": "gian", "caption": "x"}]}, "figures.0.name", "mean 'gain'?"),
        (
            {"figures": [{"name": "mine", "draw": "gian", "caption": "x"}]},
            "figures.0.draw",
            "Unknown figure 'gian'; allowed: circuits, cost, ",
        ),
        ({"reference_metrics": ["vrmse", "vrsme"]}, "reference_metrics.1", "mean 'vrmse'?"),
        ({"tables": ["circuit_gate"]}, "tables.0", "Did you mean 'circuit_gates'?"),
        ({"runs": [{**RUN, "tasks": ["grey_scott"]}]}, "runs.0.tasks", "mean 'gray_scott'?"),
        ({"runs": [RUN, {**RUN, "tasks": ["z*"]}]}, "runs.1.tasks", "Unknown task 'z*'; allowed"),
        ({"runs": [{**RUN, "models": ["fnoo"]}]}, "runs.0.models", "Did you mean 'fno'?"),
        ({"runs": [{**RUN, "treatments": ["augmnt"]}]}, "runs.0.treatments", "'augment'?"),
        ({"runs": [{**RUN, "treatments": ["a*"]}]}, "runs.0.treatments.0", "(value: 'a*')"),
        ({"runs": [{**RUN, "seed": [1]}]}, "runs.0.seed", "Did you mean 'seeds'?"),
        ({"runs": [{**RUN, "seeds": [1, 1]}]}, "runs.0.seeds", "1 is listed twice"),
        # Settings and weights for tasks that exist at no size.
        (
            {"models": {"fno": {"per_task": {"burgr*": {"modes": 3}}}}},
            "models.fno.per_task.burgr*",
            "Unknown task 'burgr*'; allowed: MHD_64, ",
        ),
        (
            {"treatments": {"mine": {"method": "none", "per_task": {"grey_scott": {}}}}},
            "treatments.mine.per_task.grey_scott",
            "Did you mean 'gray_scott'?",
        ),
        (
            {"models": {"fno": {"repository": "a/b", "checkpoints": {"gray_scot": {}}}}},
            "models.fno.checkpoints.gray_scot",
            "Did you mean 'gray_scott'?",
        ),
    ],
)
def test_names_of_a_study(tmp_path, said, key, words):
    assert_refused(tmp_path, said, key, words)


@pytest.mark.tried(
    "settings", "averages over all elements of a group that has infinitely many", "refused"
)
@pytest.mark.parametrize("method", ["group_average", "equi_tuning", "canonicalise"])
def test_lists_of_infinitely_many_elements(tmp_path, method):
    runs = {"runs": [{"tasks": ["nbody"], "models": ["segnn"], "treatments": [method]}]}
    words = f"Treatment '{method}' goes through all elements of a group, and O(3) of nbody has"
    assert_refused(tmp_path, runs, "runs.0.treatments", words, "ace")


@pytest.mark.parametrize(
    ("checkpoint", "words"),
    [
        ({}, "'repository' is missing, here and at the model"),
        ({"repository": "./nowhere"}, "nowhere is no folder with config.json and model.safetensor"),
        ({"repository": "/etc/passwd"}, "/etc/passwd is no folder with config.json"),
        ({"repository": "~/nowhere"}, "is no folder with config.json"),
        ({"repository": "~nosuchuser/x"}, "'~nosuchuser/x': there is no home folder '~nosuchuse"),
        ({"repository": "my_weights"}, "write owner/name, or ./folder for a folder"),
        ({"repository": "a b/c"}, "'a b/c' is no repository"),
        ({"repository": "owner/{modle}-{task}"}, "'owner/{modle}-gray_scott' is no repository"),
    ],
)
def test_weights_that_cannot_be_there(tmp_path, checkpoint, words):
    said = {"models": {"tfno": {"checkpoints": {TASK: checkpoint}}}}
    assert_refused(tmp_path, said, f"models.tfno.checkpoints.{TASK}", words)


def test_values_of_weights(tmp_path):
    place = f"models.tfno.checkpoints.{TASK}"
    for checkpoint, key, words in (
        ({"tolerance": 0}, ".tolerance", "give more than 0"),
        ({"file": "weights.safetensors"}, "", "'file' and 'sha256' go together"),
        ({"scores": {"vrmse": "low"}}, ".scores.vrmse", "give a number"),
        ({"repository": "a/b", "scores": {"vrsme": 1.0}}, ".scores", "Did you mean 'vrmse'?"),
        ({"commit": "x"}, ".commit", "unknown key; allowed here: file, repository"),
        (None, "", "give keys and values (value: null)"),
    ):
        said = {"models": {"tfno": {"checkpoints": {TASK: checkpoint}}}}
        assert_refused(tmp_path, said, f"{place}{key}", words)


def test_a_folder_that_lacks_the_weights(tmp_path):
    (tmp_path / "config.json").write_text("{}")
    said = {"models": {"tfno": {"checkpoints": {TASK: {"repository": str(tmp_path)}}}}}
    words = f"{tmp_path} is no folder with config.json and model.safetensors"
    assert_refused(tmp_path, said, f"models.tfno.checkpoints.{TASK}", words)
    (tmp_path / "model.safetensors").write_bytes(b"weights")
    read(tmp_path, said)
    runs = {"runs": [{"tasks": [TASK], "models": ["tfno"], "treatments": ["augment"]}]}
    words = "no run can give them the treatment 'augment'"
    assert_refused(tmp_path, {**said, **runs}, f"models.tfno.checkpoints.{TASK}", words)


@pytest.mark.parametrize(
    ("study", "task", "said", "key"),
    [
        ("ace", "nbody", {"evaluation": {"rollout_group": "O(3)"}}, "evaluation.rollout_group"),
        ("ace", "acetylacetone", {"evaluation": {"rollout_steps": 3}}, "evaluation.rollout_steps"),
        ("ace", "modelnet10_voxels", {"evaluation": {"chunk": 2}}, "evaluation.chunk"),
        (GRAPHS, "erdos_renyi", {"evaluation": {"rollout_steps": 1}}, "evaluation.rollout_steps"),
        ("quantum", "LiH", {"evaluation": {"chunk": 1}}, "evaluation.chunk"),
        ("ace", "acetylacetone", {"parity": {"x": -1}}, "parity"),
        ("ace", "run", {"input_steps": 2}, "input_steps"),
    ],
)
def test_keys_that_the_data_of_a_task_do_not_take(tmp_path, study, task, said, key):
    words = "it makes sense for trajectories of fields alone, and "
    assert_refused(tmp_path, {"tasks": {task: said}}, f"tasks.{task}.{key}", words, study=study)


@pytest.mark.parametrize(
    ("study", "task", "group", "words"),
    [
        (FIELDS, TASK, "O_h", "Unknown group 'O_h' in 2-D; allowed: trivial, flip_x"),
        (FIELDS, TASK, "d4", "Unknown group 'd4' in 2-D"),
        (FIELDS, TASK, "", "Unknown group '' in 2-D"),
        (FIELDS, TASK, "D4 * C7", "Unknown group 'C7' in 2-D"),
        (FIELDS, TASK, "shifts(0)", "Unknown group 'shifts(0)' in 2-D"),
        (FIELDS, "burgers_3d", "D5", "Unknown group 'D5' in 3-D"),
        ("ace", "nbody", "O(4)", "does not act on points in 3 dimensions; allowed: O(3), SO(3)"),
        ("ace", "modelnet10_voxels", "O(3)", "Unknown group 'O(3)' in 3-D"),
        ("ace", "acetylacetone", "D4", "does not act on points in 3 dimensions"),
        ("quantum", "LiH", "O(3)", "allowed: SO(3) * automorphisms, O(3) * automorphisms"),
        (GRAPHS, "erdos_renyi", "signs(10)", "does not act on 16 eigenvectors; signs(16) does"),
        (GRAPHS, "communities", "signs(16)", "does not act on 10 eigenvectors; signs(10) does"),
    ],
)
def test_groups_act_in_the_dimension_of_the_data(tmp_path, study, task, group, words):
    said = {"tasks": {task: {"group": group}}}
    assert_refused(tmp_path, said, f"tasks.{task}.group", words, study=study)


def test_groups_of_rollouts(tmp_path):
    said = {"tasks": {"burgers_3d": {"evaluation": {"rollout_group": "D5"}}}}
    key = "tasks.burgers_3d.evaluation.rollout_group"
    assert_refused(tmp_path, said, key, "Unknown group 'D5' in 3-D")
    # One of the study counts for each of its tasks.
    for group in ("nonsense", "O_h"):
        said = {"evaluation": {"rollout_group": group}}
        assert_refused(tmp_path, said, "evaluation.rollout_group", f"'{group}' in 2-D")


@pytest.mark.parametrize(
    ("study", "task", "parameters", "words"),
    [
        (FIELDS, TASK, {"resoluton": 32}, "Did you mean 'resolution'?"),
        (FIELDS, TASK, {"resolution": "big"}, "'big'"),
        (FIELDS, TASK, {"resolution": True}, "True"),
        (FIELDS, TASK, {"resolution": 1.5}, "1.5"),
        (FIELDS, TASK, {"frames": None}, "None"),
        (FIELDS, TASK, {"trajectories": {"trian": 3}}, "Did you mean 'train'?"),
        (FIELDS, TASK, {"trajectories": {"train": 0}}, "train"),
        (FIELDS, TASK, {"trajectories": [3]}, "[3]"),
        ("ace", "nbody", {"dimensions": 3}, "Did you mean 'dimension'?"),
        ("ace", "nbody", {"gravity": "strong"}, "'strong'"),
        ("ace", "acetylacetone", {"samples": {"train": "all"}}, "'all'"),
        ("ace", "run", {"file": 3}, "3"),
        (GRAPHS, "erdos_renyi", {"graph": "erdos"}, "'erdos'"),
        ("quantum", "LiH", {"level": {"metod": "hf"}}, "Did you mean 'method'?"),
    ],
)
def test_parameters_of_data_sets(tmp_path, study, task, parameters, words):
    said = {"tasks": {task: {"parameters": parameters}}}
    assert_refused(tmp_path, said, f"tasks.{task}.parameters", words, study=study)


def test_seeds_without_data(tmp_path):
    words = "trials of near_copies is 2, which leaves none for seed 7"
    run = {"tasks": ["erdos_renyi"], "models": ["gcn"]}
    assert_refused(tmp_path, {"seeds": [7], "runs": [run]}, "seeds", words, study=GRAPHS)
    said = {"runs": [{**run, "seeds": [0, 7]}]}
    assert_refused(tmp_path, said, "runs.0.seeds", words, study=GRAPHS)


def _of(**selection):
    return {"of": selection}


FIELD_METRIC = "Unknown metric of decaying_turbulence "


@pytest.mark.parametrize(
    ("study", "changes", "key", "words"),
    [
        # W10: the VRMSE was given, or "inconclusive, n = 0".
        (FIELDS, _of(metric="vrmes"), "of.metric", f"{FIELD_METRIC}'vrmes'; allowed: "),
        (FIELDS, _of(metric="vrmes"), "of.metric", "Did you mean 'vrmse'?"),
        (FIELDS, _of(metric="auc"), "of.metric", f"{FIELD_METRIC}'auc'"),
        (FIELDS, _of(metric="vrmse", over="force_mae"), "of.over", f"{FIELD_METRIC}'force_mae'"),
        (
            FIELDS,
            {"measure": "difference", "against": {"metric": "auc"}},
            "against.metric",
            f"{FIELD_METRIC}'auc'",
        ),
        (
            FIELDS,
            {"measure": "difference", "against": {"metric": "auc", "task": TASK}},
            "against.metric",
            "Unknown metric of gray_scott 'auc'",
        ),
        (
            FIELDS,
            {**_of(metric="auc"), "where": {"task": "decaying*"}},
            "of.metric",
            f"{FIELD_METRIC}'auc'",
        ),
        (
            "ace",
            {**_of(metric="mse"), "where": {"task": ["nbody", "acetylacetone"]}},
            "of.metric",
            "Unknown metric of acetylacetone 'mse'",
        ),
        # Where no task is named, one must have it.
        (FIELDS, {**_of(metric="auc"), "where": {}}, "of.metric", "Unknown metric 'auc'; allowed"),
        (
            "ace",
            {**_of(metric="force_maee"), "where": {"treatment": "strict"}},
            "of.metric",
            "Did you mean 'force_mae",
        ),
        # A task without a run at this size.
        (
            GRAPHS,
            {**_of(metric="aucc"), "where": {"task": "barabasi_albert"}},
            "of.metric",
            "Unknown metric of barabasi_albert 'aucc'",
        ),
        (FIELDS, {"where": {"task": "decaying"}}, "where.task", "Unknown task 'decaying'"),
        (FIELDS, {"where": {"task": ["gray*", "z*"]}}, "where.task", "Unknown task 'z*'; allowed"),
        (FIELDS, {"where": {"model": "unet"}}, "where.model", "Unknown model 'unet'; allowed: fno"),
        (FIELDS, {"where": {"treatment": "augmnt"}}, "where.treatment", "mean 'augment'?"),
        (FIELDS, _of(task="grey_scott"), "of.task", "Did you mean 'gray_scott'?"),
        (FIELDS, _of(model="fnno"), "of.model", "Did you mean 'fno'?"),
        (FIELDS, _of(treatment="nun"), "of.treatment", "Unknown treatment 'nun'"),
        (FIELDS, {"measure": "valu"}, "measure", "Did you mean 'value'?"),
        (FIELDS, _of(subgroup="D7"), "of.subgroup", "Unknown group 'D7' in 2-D"),
        (
            "ace",
            {**_of(metric="mse", horizon="6:12"), "where": {"task": "nbody"}},
            "of.horizon",
            "it makes sense for trajectories of fields alone, and nbody has none",
        ),
        (
            GRAPHS,
            {**_of(metric="auc", subgroup="D4"), "where": {}},
            "of.subgroup",
            "it makes sense for trajectories of fields alone",
        ),
    ],
)
def test_what_a_claim_names(tmp_path, study, changes, key, words):
    assert_refused(tmp_path, claim(**changes), f"claims.0.{key}", words, study=study)


@pytest.mark.parametrize(
    ("study", "changes"),
    [
        # Of other sizes.
        (FIELDS, {"where": {"task": "MHD_64"}}),
        (FIELDS, {"where": {"model": "tfno_published", "treatment": "penalty"}}),
        ("ace", {**_of(metric="mse"), "where": {"task": "nbody_training_samples_75"}}),
        # Some of the tasks have it.
        ("ace", {**_of(metric="force_mae"), "where": {}}),
        ("ace", {**_of(metric="vrmse", subgroup="C4", horizon="6:12"), "where": {}}),
        ("ace", {**_of(metric="accuracy_drop_half"), "where": {"task": "modelnet10_points"}}),
        ("ace", {**_of(metric="force_mae_600K"), "where": {"task": "acetylacetone"}}),
        (FIELDS, {**_of(metric="gamma"), "where": {"exact": False}}),
        # Data without an orbit of every element: what a measure cannot say, it says.
        ("ace", {"of": None, "measure": "largest_excess", "where": {"task": "nbody"}}),
        (GRAPHS, {"of": None, "measure": "largest_excess", "where": {}}),
    ],
)
def test_claims_that_a_size_may_have_no_answer_to(tmp_path, study, changes):
    assert read(tmp_path, claim(**changes), study).study(study).settings.claims


def test_a_mistake_in_another_overlay_of_the_folder_is_none_of_this_one(tmp_path):
    import shutil

    from tests.config.configs import CONFIG, overlay, refusal

    shutil.copytree(CONFIG, tmp_path / "config")
    (tmp_path / "config" / "overlays" / "broken.yaml").write_text("a: [")
    path = overlay(tmp_path, claim(where={"task": "decaying"}))
    message = refusal(path, folder=tmp_path / "config")
    assert message.startswith(f"{path}: ")
    assert "Unknown task 'decaying'" in message
