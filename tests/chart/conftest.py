"""The chart tier: the chart's contract, by Helm's own engine. Needs only pip.

Helm's `lookup` finds nothing offline, so here the cluster's name always comes from the values. Finding
it in a ConfigMap, or missing it in one without the key, takes a real API server: the cluster tier tests that.
"""

import json
from collections.abc import Iterator

import pytest
from helm_python import Chart

from tests.chart.rendering import CHART, MINIMAL, Release, Render, Values, merged, release_of


@pytest.fixture(scope="session")
def chart() -> Iterator[Chart]:
    loaded = Chart.load(CHART)
    yield loaded
    loaded.close()


@pytest.fixture(scope="session")
def render(chart: Chart) -> Render:
    releases: dict[str, Release] = {}  # shared by all tests: whoever changes one must copy it first

    def render(*layers: Values, only: bool = False) -> Release:
        values = merged(*([] if only else [MINIMAL]), *layers)
        key = json.dumps(values)
        if key not in releases:
            releases[key] = release_of(chart, values)
        return releases[key]

    return render
