"""What the runs of a config are judged by."""

from __future__ import annotations

from experiments.config.reading import Config
from experiments.statistics.saturation import limits_of, rounded_limits, settings_of
from experiments.statistics.thresholds import criteria_of
from experiments.statistics.verdict import Terms


def terms_of(
    config: Config, scale: float, *, with_limits: bool = False, of_gate: bool = False
) -> Terms:
    """The terms of a verdict on the runs of a config.

    Args:
        config: the config.
        scale: of the runs.
        with_limits: whether the runs have time series, so that full resources can be told.
        of_gate: whether thresholds that check the simulator count too.

    Raises:
        ConfigError: a threshold of the config is not valid.
    """
    small = config.world_at(scale)
    found = tuple(criteria_of(config))
    return Terms(
        criteria=() if config.header.thresholds_check_model and not of_gate else found,
        scale=scale,
        opens_after_s=config.world.catalogue.opens_after_s,
        limits=limits_of(small) if with_limits else {},
        rounded=rounded_limits(config.world, small),
        settings=settings_of(config.world),
    )
