"""All metrics of a run group as rows of a tidy table, one value a row."""

from collections.abc import Iterator

import numpy as np
import xarray as xr

from symbench.evaluation.reading import DIVERGED
from symbench.evaluation.results import HORIZONS, RunGroup, over_channels, over_defined
from symbench.evaluation.scores import MADE
from symbench.evaluation.violation import errors_by_irrep

SUBSET_DRAWS = 64

Row = dict[str, object]


def metric_rows(group: RunGroup) -> Iterator[Row]:
    """All metrics of all seeds."""
    for evaluation in group.evaluations:
        yield from _score_rows(group, evaluation)
        yield from _rollout_rows(group, evaluation)
        yield from _diverged_rows(group, evaluation)
    if "average" in group.evaluations:
        yield from _orbit_rows(group)
    for seed, seconds in group.seconds_per_epoch.items():
        yield _row(group, seed, "plain", "seconds_per_epoch", seconds, unit="s")


def _row(
    group: RunGroup,
    seed: int,
    evaluation: str,
    metric: str,
    value: float | xr.DataArray,
    *,
    lead_time: str = "1",
    field: str = "mean",
    unit: str = "1",
) -> Row:
    return {
        "study": group.runs[0].study,
        "task": group.task,
        "model": group.model,
        "treatment": group.treatment,
        "evaluation": evaluation,
        "seed": seed,
        "split": "test",
        "lead_time": lead_time,
        "field": field,
        "metric": metric,
        "value": float(value),
        "unit": unit,
    }


def _per_seed(
    group: RunGroup,
    values: xr.DataArray,
    evaluation: str,
    metric: str,
    *,
    field: str = "mean",
    unit: str = "1",
) -> Iterator[Row]:
    """The mean of each seed; what is not finite stays."""
    others = [name for name in values.dims if name != "seed"]
    means = values.mean(others, skipna=False).sel(seed=list(group.seeds))
    for seed, mean in zip(group.seeds, means.values, strict=True):
        yield _row(group, seed, evaluation, metric, mean, field=field, unit=unit)


def _score_rows(group: RunGroup, evaluation: str) -> Iterator[Row]:
    dataset = group.open(evaluation)
    for metric, score in group.registry.items():
        if metric in dataset:
            yield from _of_score(group, dataset[metric], evaluation, metric, score.unit)
        quantity, spread, test_set = metric.partition("_spread")
        if metric in dataset and spread:
            yield from _derived(group, dataset, evaluation, quantity, test_set)


def _of_score(
    group: RunGroup, values: xr.DataArray, evaluation: str, metric: str, unit: str
) -> Iterator[Row]:
    """Means, and where a score has channels, means by channel and medians over samples."""
    if "channel" in values.dims:
        # Squared errors of several quantities have no unit in common; see `_orbit_rows`.
        if unit != "1":
            return
        for channel in values.channel.values:
            single = over_defined(values.sel(channel=[channel]))
            yield from _per_seed(group, single, evaluation, metric, field=str(channel))
        values = over_defined(values)
        (samples,) = (name for name in map(str, values.dims) if name.startswith("sample"))
        medians = values.median(samples, skipna=False)
        yield from _per_seed(group, medians, evaluation, f"{metric}_median")
    yield from _per_seed(group, values, evaluation, metric, unit=unit)


def _derived(
    group: RunGroup, dataset: xr.Dataset, evaluation: str, quantity: str, test_set: str
) -> Iterator[Row]:
    """Root mean square and R² of a quantity whose squared errors and variance are there."""
    squared, spread = (
        dataset[f"{quantity}_{what}{test_set}"].mean(f"sample{test_set}", skipna=False)
        for what in ("mse", "spread")
    )
    unit = group.registry[f"{quantity}_mae"].unit
    made = ((squared**0.5, unit), (1 - squared / spread, "1"))
    for name, (values, its_unit) in zip(MADE, made, strict=True):
        metric = f"{quantity}_{name}{test_set}"
        yield from _per_seed(group, values, evaluation, metric, unit=its_unit)


def _orbit_rows(group: RunGroup) -> Iterator[Row]:
    """Orbit means, elements, subsets, subgroups, irreps, and parts of squared errors (P4)."""
    dataset = group.open("average")
    if "error_gram" not in dataset:
        return
    for metric, score in group.registry.items():
        if f"element_{metric}" in dataset:
            mean = dataset[f"element_{metric}"].mean("element", skipna=False)
            yield from _of_score(group, mean, "orbit_mean", metric, score.unit)
    judged = group.score
    for index, element in enumerate(dataset.element.values):
        values = dataset[f"element_{judged.name}"].isel(element=index)
        values = over_channels(values, judged.unit)
        name = f"element({element})"
        yield from _per_seed(group, values, name, judged.name, unit=judged.unit)
    yield from _subgroup_rows(group, dataset)
    yield from _subset_rows(group, dataset)
    unit = _unit_of_squares(group, dataset)
    known = "mse" in group.registry and "channel" not in group.open("average")["mse"].dims
    for name, errors in group.squared_errors().items():
        metric = {"plain": "mse", "averaged": "mse"}.get(name, name)
        if metric == "mse" and known:
            continue
        evaluation = "plain" if name == "plain" else "average"
        for seed, value in zip(group.seeds, errors.of_seeds, strict=True):
            yield _row(group, seed, evaluation, metric, value, unit=unit)
    for irrep, errors in errors_by_irrep(group):
        for seed, value in zip(group.seeds, errors.of_seeds, strict=True):
            name = f"irrep({irrep.name})"
            yield _row(group, seed, name, "orbit_error", value, unit=unit)
    squares = group.equivariance_errors()
    if squares is not None and "equivariance_error" not in dataset:
        error = squares.mean("sample", skipna=False) ** 0.5
        yield from _per_seed(group, error, "plain", "equivariance_error")


def _unit_of_squares(group: RunGroup, dataset: xr.Dataset) -> str:
    if group.runs[0].task.dataset.has_trajectories:
        return "variance of the field"
    scaled = bool((dataset.scale != 1).any())
    return "variance of the training targets" if scaled else "square of the unit of the data"


def _denominators(group: RunGroup, dataset: xr.Dataset) -> tuple[xr.DataArray, str]:
    """What makes squared errors comparable: variances of targets, or else scales; the unit."""
    if "variance" in dataset:
        return dataset.variance.transpose("seed", "sample", "channel"), "1"
    ones = xr.ones_like(dataset.orbit_variance).transpose("seed", "sample", "channel")
    return ones * dataset.scale, _unit_of_squares(group, dataset)


def _subgroup_rows(group: RunGroup, dataset: xr.Dataset) -> Iterator[Row]:
    if "subgroup_members" not in dataset:
        return
    denominators, unit = _denominators(group, dataset)
    # The group is the same for all seeds.
    parts = [np.flatnonzero(members) for members in dataset.subgroup_members.isel(seed=0).values]
    averaged = [
        dataset.error_gram.isel(element=chosen, element_b=chosen).mean(
            ("element", "element_b"), skipna=False
        )
        for chosen in parts
    ]
    squared = xr.concat(averaged, "subgroup") / denominators
    found = {"vrmse": (squared**0.5, "1")} if "variance" in dataset else {}
    found["nmse"] = (squared, unit)
    means = {
        metric: (over_defined(values).mean("sample", skipna=False), its_unit)
        for metric, (values, its_unit) in found.items()
    }
    for number, chosen in enumerate(parts):
        name = f"subgroup{number}_order{len(chosen)}"
        for metric, (values, its_unit) in means.items():
            of_part = values.isel(subgroup=number)
            yield from _per_seed(group, of_part, name, metric, unit=its_unit)


def _subset_rows(group: RunGroup, dataset: xr.Dataset) -> Iterator[Row]:
    """Error of random subsets: squared errors in the mean over all, others over random orders."""
    gram = dataset.error_gram.transpose("seed", "sample", "channel", "element", "element_b").values
    denominators, unit = _denominators(group, dataset)
    varying = denominators.notnull().any(("seed", "channel")).values
    gram, scales = gram[:, varying], denominators.values[:, varying, :, None]
    totals = {"nmse": np.nanmean(errors_of_subsets(gram) / scales, axis=2).mean(axis=1)}
    if "variance" in dataset:
        errors = np.sqrt(errors_of_prefixes(gram, SUBSET_DRAWS) / scales[..., None, :])
        totals["vrmse"] = np.nanmean(errors, axis=2).mean(axis=(1, 2))
    for metric, total in totals.items():
        for seed, values in zip(group.seeds, total, strict=True):
            for count, value in enumerate(values, start=1):
                told = "1" if metric == "vrmse" else unit
                yield _row(group, seed, f"subset{count}", metric, value, unit=told)


def errors_of_subsets(gram: np.ndarray) -> np.ndarray:
    """Squared errors of averages over n elements, in the mean over all subsets.

    With the mean D of the products on the diagonal and O of all others it is D / n + (1 - 1 / n) O,
    from which P5 follows for any network and any data.

    Args:
        gram: products of errors, shape (seed, sample, channel, element, element_b).

    Returns:
        Shape (seed, sample, channel, number of elements); infinite where a product is not finite.

    """
    order = gram.shape[-1]
    finite = np.isfinite(gram).all(axis=(-2, -1))
    gram = np.where(finite[..., None, None], gram, 0)
    alone = np.trace(gram, axis1=-2, axis2=-1)
    others = gram.sum(axis=(-2, -1)) - alone
    counts = np.arange(1, order + 1)
    pairs = (counts - 1) / counts / max(order * (order - 1), 1)
    errors = alone[..., None] / order / counts + others[..., None] * pairs
    return np.where(finite[..., None], np.maximum(errors, 0), np.inf)


def errors_of_prefixes(gram: np.ndarray, draws: int) -> np.ndarray:
    """Squared errors of averages over the first elements of random orders.

    Each element has each place equally often: the orders are random ones and all their turns.

    An element adds its products with those before it, twice, and its own square: products that a
    mask leaves, for all orders in one matrix product.

    Args:
        gram: products of errors, shape (seed, sample, channel, element, element_b).
        draws: about so many orders, a multiple of the number of elements.

    Returns:
        Shape (seed, sample, channel, draw, number of elements); infinite where a product is not
        finite.

    """
    order = gram.shape[-1]
    finite = np.isfinite(gram).all(axis=(-2, -1))
    gram = np.where(finite[..., None, None], gram, 0)
    rng = np.random.default_rng(0)
    turns = np.add.outer(np.arange(order), np.arange(order)) % order
    chosen = np.concatenate(
        [rng.permutation(order)[turns] for _ in range(max(1, round(draws / order)))]
    )
    rank = np.argsort(chosen, axis=1)
    before = (rank[:, None, :] < rank[:, :, None]).astype(gram.dtype)
    symmetric = (gram + gram.swapaxes(-2, -1)) / 2
    products = np.moveaxis(symmetric, -2, 0).reshape(order, -1, order)
    # By element, then by (seed, sample, channel) and draw.
    earlier = products @ before.transpose(1, 2, 0)
    squares = np.diagonal(symmetric, axis1=-2, axis2=-1).reshape(-1, order).T
    added = 2 * earlier + squares[..., None]
    sums = np.take_along_axis(added, chosen.T[:, None, :], axis=0).cumsum(axis=0)
    sums = np.moveaxis(sums, 0, -1).reshape(*gram.shape[:-2], len(chosen), order)
    errors = np.maximum(sums, 0) / np.arange(1, order + 1) ** 2
    return np.where(finite[..., None, None], errors, np.inf)


def _rollout_rows(group: RunGroup, evaluation: str) -> Iterator[Row]:
    dataset = group.open(evaluation)
    if "rollout_vrmse" not in dataset:
        return
    for operator in map(str, dataset.operator.values):
        name = f"{evaluation}_rollout_{operator}"
        of_operator = dataset.sel(operator=operator)
        by_trajectory = of_operator.rollout_vrmse.mean("channel")
        by_trajectory = by_trajectory.transpose("seed", "lead_time", "trajectory")
        # By lead time or window, of shape (seed, trajectory).
        scores = {
            str(lead): by_trajectory.values[:, index]
            for index, lead in enumerate(dataset.lead_time.values)
        }
        for window, (first, last) in HORIZONS.items():
            inside = by_trajectory.sel(lead_time=slice(first, last))
            if first < last <= int(dataset.lead_time.max()):
                scores[window] = inside.mean("lead_time").values
        for number, seed in enumerate(group.seeds):
            for lead, values in scores.items():
                known = values[number][~np.isnan(values[number])]
                yield _row(group, seed, name, "vrmse", known.mean(), lead_time=lead)
                yield _row(group, seed, name, "vrmse_median", np.median(known), lead_time=lead)
            one = of_operator.sel(seed=seed)
            for metric, value, unit in (
                ("seconds_per_trajectory", one.rollout_seconds, "s"),
                ("peak_memory", one.rollout_peak_memory, "byte"),
            ):
                yield _row(group, seed, name, metric, value, unit=unit, lead_time="rollout")


def _diverged_rows(group: RunGroup, evaluation: str) -> Iterator[Row]:
    """How many predictions were not finite, where some were not."""
    attributes = group.open(evaluation).attrs
    for name in (name for name in attributes if DIVERGED in name):
        unit = "rollouts" if name.startswith("rollouts") else "samples"
        for seed, count in zip(group.seeds, attributes[name], strict=True):
            if count:
                yield _row(group, seed, evaluation, name, count, unit=unit)
