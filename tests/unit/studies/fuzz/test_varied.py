"""What a search changes in a world, by its kind."""

import dataclasses

from experiments.config.reading import load
from experiments.studies.fuzz.trial import varied
from sim.world import Application


def test_a_search_in_an_application_pauses_no_jvm():
    small = load("fuzz-small").world
    app = dataclasses.replace(small, app=Application(wsgi="shop.web:app"))
    kinds = [
        {fault.kind for seed in range(200) for fault in varied(world, seed).faults}
        for world in (small, app)
    ]
    assert kinds[0] - kinds[1] == {"jvm_pause"}
    assert kinds[1] - kinds[0] == {"service_pause"}
