"""What the report says about how its numbers were made."""

import json

from symbench.config.read import read_configuration
from symbench.report.run import what_was_run
from tests.workflow.checkout import ROOT

MACHINE = {"processor": "Processor of a test", "system": "Linux x86_64", "cores": 16}
CARD = {"device": "NVIDIA H200", "cuda": "13.0", "driver": "580.65.06", "energy": 2500.0}


def test_the_devices_of_trainings_are_named_with_their_energy(tmp_path):
    configuration = read_configuration(
        [ROOT / "config" / "sizes" / "smoke.yaml"],
        ["quantum"],
        overrides=[f"results={tmp_path}"],
    )
    assert what_was_run(configuration)["trained on"] == "not known"
    runs = configuration.study("quantum").runs
    for number, run in enumerate(runs):
        path = configuration.layout.trained("provenance.json", "quantum", *run.key, run.seed)
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps(MACHINE | (CARD if number < 2 else {"device": "cpu"})))
    said = what_was_run(configuration)
    machines = (
        "Processor of a test, NVIDIA H200, CUDA 13.0, driver 580.65.06, Linux x86_64, 16 cores "
        f"(2 runs); Processor of a test, cpu, Linux x86_64, 16 cores ({len(runs) - 2} runs)"
    )
    assert said["trained on"] == machines
    assert said["energy of GPUs in trainings"] == "5.0 kJ"


def test_without_gpus_no_energy_is_told(tmp_path):
    smoke = ROOT / "config" / "sizes" / "smoke.yaml"
    configuration = read_configuration([smoke], ["quantum"], overrides=[f"results={tmp_path}"])
    assert "energy of GPUs in trainings" not in what_was_run(configuration)
