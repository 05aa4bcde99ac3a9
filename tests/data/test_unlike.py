"""Splits whose values are of another size than in training."""

import pytest

from symbench.data.unlike import unlike_training


@pytest.mark.tried("units and scale", "a split of zeros beside values in training", "warned")
@pytest.mark.parametrize(
    ("train", "test", "said"),
    [
        (1.0, 9.0, None),
        (0.0, 0.0, None),
        (1.0, 1000.0, "force is 1e+03 times as large in test as in train"),
        (1.0, 0.0, "force is zero in test, and not in train"),
        (0.0, 2.0, "force is zero in train, and not in test"),
    ],
)
def test_a_split_of_another_size_is_told(train, test, said):
    found = unlike_training({"train": {"force": train}, "test": {"force": test}})
    assert [sentence.partition(", root")[0] for sentence in found] == ([said] if said else [])
    assert unlike_training({"test": {"force": test}}) == []
