"""Questions that nobody answered are asked again: three times in production, twice in staging (R37, R43)."""

from __future__ import annotations

import pytest

from basis_pipeline.domain.errors import VenueRefusal, VenueSilence
from basis_pipeline.venues.live.patience import Patience, delays_in


class Waiting:
    """A clock that remembers how it was waited on."""

    def __init__(self) -> None:
        self.waited: list[float] = []

    def now(self) -> float:
        return sum(self.waited)

    def sleep(self, seconds: float) -> None:
        self.waited.append(seconds)


@pytest.mark.parametrize(("environment", "waits"), [("prod", [5.0, 10.0]), ("staging", [5.0]), ("dev", [5.0])])
def test_silence_is_waited_for_as_long_as_the_environment_deserves(environment: str, waits: list[float]) -> None:
    clock, asked = Waiting(), []

    def silent() -> float:
        asked.append(clock.now())
        raise VenueSilence("nobody is there.")

    with pytest.raises(VenueSilence, match="nobody is there"):
        Patience(clock, delays_in(environment)).ask(silent)
    assert clock.waited == waits
    assert len(asked) == len(waits) + 1


def test_a_refusal_is_an_answer_and_the_first_answer_ends_the_asking() -> None:
    clock = Waiting()
    answers: list[Exception | float] = [VenueSilence("busy."), 7.0]

    def answer() -> float:
        if isinstance(said := answers.pop(0), Exception):
            raise said
        return said

    assert Patience(clock).ask(answer) == 7.0
    answers.append(VenueRefusal("no."))
    with pytest.raises(VenueRefusal):
        Patience(clock).ask(answer)
    assert clock.waited == [5.0]
