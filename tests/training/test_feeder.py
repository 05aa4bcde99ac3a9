"""Batches that are made ahead: the same ones, in the same order, whatever happens on the way."""

import threading
from contextlib import closing

import pytest

from symbench.errors import DataError
from symbench.training.feeder import prepared
from tests.training.splits import KilledError, fields, run_until, same, trainer


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    return trainer(tmp_path_factory.mktemp("whole") / "state.pt").run()


def trainer_ahead(state, **options):
    training = trainer(state, **options)
    training.device.ahead = 2
    return training


@pytest.mark.parametrize("ahead", [0, 1, 2, 100])
def test_all_items_come_in_order_and_few_are_made_before_they_are_asked_for(ahead):
    made = []

    def prepare(key):
        made.append(key)
        return key**2

    with closing(prepared(prepare, range(8), ahead)) as items:
        for number, item in enumerate(items):
            assert item == number**2
            assert number < len(made) <= min(8, number + 1 + ahead)


@pytest.mark.parametrize("ahead", [0, 2])
def test_an_error_comes_where_its_item_would_have_been(ahead):
    def prepare(key):
        if key == 3:
            raise DataError("The third is damaged.")
        return key

    found = []
    with (
        pytest.raises(DataError, match="third"),
        closing(prepared(prepare, range(8), ahead)) as items,
    ):
        found.extend(items)
    assert found == [0, 1, 2]


def test_a_generator_that_is_left_early_leaves_no_thread():
    with closing(prepared(lambda key: key, range(1000), 2)) as items:
        next(items)
        assert any(each.name.startswith("batches") for each in threading.enumerate())
    assert not any(each.name.startswith("batches") for each in threading.enumerate())


def test_training_with_batches_made_ahead_is_the_same(finished, tmp_path):
    assert same(trainer_ahead(tmp_path / "state.pt").run(), finished)


def test_an_interrupted_training_leaves_no_thread_and_goes_on(finished, tmp_path):
    state = tmp_path / "state.pt"
    run_until(trainer_ahead(state), 14)
    assert not any(each.name.startswith("batches") for each in threading.enumerate())
    assert same(trainer_ahead(state).run(), finished)


def test_an_error_of_the_data_ends_the_training(tmp_path):
    class Damaged(type(fields(0, 1))):
        def batch(self, rows, generator=None):
            if 17 in rows:
                raise KilledError
            return super().batch(rows, generator)

    train = Damaged(0, 40, (6, 8, 8), lambda x: x[:, :3])
    with pytest.raises(KilledError):
        trainer_ahead(tmp_path / "state.pt", train=train).run()
