"""Several trainings in one process, in turns: small networks leave most of a GPU idle."""

from collections.abc import Sequence
from contextlib import ExitStack, closing

from symbench.data.batch import V
from symbench.errors import SymBenchError
from symbench.training.loop import Trained, Trainer
from symbench.training.termination import Interrupted, Termination


def train_together(trainers: Sequence[Trainer[V]]) -> list[Trained | SymBenchError]:
    """Train to the end, a step of each in turn; each gets the numbers that it would get alone.

    On a GPU each has a stream of its own, so that their kernels run side by side.

    Args:
        trainers: of networks and data that they do not share.

    Returns:
        The outcome of each, or the error that ended it; one that fails does not stop the others.

    Raises:
        Interrupted: after SIGTERM, when the states of all are saved.

    """
    outcomes: dict[int, Trained | SymBenchError] = {}
    interruption: Interrupted | None = None
    with ExitStack() as stack:
        termination = stack.enter_context(Termination.awaited())
        running = {
            number: stack.enter_context(closing(trainer.steps(termination)))
            for number, trainer in enumerate(trainers)
        }
        for trainer in trainers:
            trainer.device.fork()
            stack.callback(trainer.device.join)
        begun: set[int] = set()
        while running:
            for number, steps in list(running.items()):
                trainer = trainers[number]
                try:
                    with trainer.place.taken():
                        goes_on = next(steps, False)
                except SymBenchError as error:
                    # Without the frames of the step, which hold its tensors.
                    outcomes[number] = type(error)(str(error))
                except Interrupted as error:
                    interruption = error
                else:
                    if goes_on:
                        if number not in begun:
                            # What networks keep for each other, such as edges, they make at first.
                            trainer.device.wait()
                            begun.add(number)
                        continue
                    outcomes[number] = trainer.trained()
                del running[number]
    if interruption:
        raise interruption
    return [outcomes[number] for number in range(len(trainers))]
