"""The tables that the figures of circuits draw, made from real circuits."""

import pytest

from symbench.evaluation import circuits as statistics
from symbench.figures.circuits import FIGURE
from symbench.figures.results import StudyResults
from symbench.files import write_whole
from symbench.layout import Layout
from symbench.models.molecules.quantum_circuits import GraphCircuit
from tests.figures import studies

MODELS = {
    "graph": {"architecture": "graph_circuit", "settings": {"blocks": 3}},
    "graph_deep": {"architecture": "graph_circuit"},
    "none_of_them": {"architecture": f"{studies.HERE}:model"},
}


@pytest.fixture(scope="module")
def made():
    return studies.study(models=MODELS, evaluations=["plain"])


def test_statistics_are_those_of_each_circuit(made, monkeypatch):
    monkeypatch.setattr(statistics, "_ACTIVE", (1, 2))
    table = statistics.circuit_statistics_table(made)
    assert table.architecture.tolist() == ["graph_circuit"] * 2
    assert table.qubits.tolist() == [2, 3]
    expected = [statistics.gradient_variance(GraphCircuit, active, 5) for active in (1, 2)]
    assert table.gradient_variance.tolist() == pytest.approx(expected)
    expected = [statistics.expressibility(GraphCircuit, active, 2) for active in (1, 2)]
    assert table.divergence.tolist() == pytest.approx(expected)


def test_gates_are_those_of_one_block(made, tmp_path):
    table = statistics.circuit_gates_table(made)
    assert table.drop_duplicates("model").blocks.tolist() == [3, 6]
    first = table[table.model == "graph"]
    # Two rotations of each of four atoms, then three gates on each of six pairs.
    assert first.gate.tolist()[:2] == ["RY", "RZ"]
    assert first.gate.value_counts().to_dict() == {
        "RY": 4,
        "RZ": 4,
        "IsingXX": 6,
        "IsingYY": 6,
        "IsingZZ": 6,
    }
    assert set(first.qubits) == {4}
    layout = Layout(tmp_path, tmp_path)
    with write_whole(layout.further_table("made", "circuit_gates")) as temporary:
        table.to_csv(temporary, index=False)
    drawn = FIGURE.table(StudyResults(made, layout))
    assert len(drawn) == len(first)


def test_a_study_without_circuits_has_empty_tables():
    made = studies.study()
    assert statistics.circuit_gates_table(made).empty
    assert statistics.circuit_statistics_table(made).empty
