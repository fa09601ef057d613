"""Where each partition of this process stands, as metrics (docs/metrics.md)."""

from collections.abc import Mapping, Sequence

from switch.adapters.telemetry import Metrics


class PartitionMetrics:
    """Shows what `PartitionKeeper.status` describes; what is no longer kept here is shown as 0."""

    def __init__(self, metrics: Metrics) -> None:
        self._epoch = metrics.gauge("switch_partition_epoch")
        self._claim_time = metrics.gauge("switch_partition_claim_time_seconds")
        self._position = metrics.gauge("switch_partition_inbound_position")
        self._shown: set[str] = set()

    def show(self, described: Sequence[Mapping[str, object]]) -> None:
        """Set the metrics of each partition as it was described."""
        rows = {str(one["partition"]): one for one in described}
        for label in self._shown | rows.keys():
            row = rows.get(label, {})
            is_ours = row.get("state") in {"serving", "draining"}
            self._epoch.labels(label).set(_number(row, "epoch") if is_ours else 0)
            self._claim_time.labels(label).set(_number(row, "claimed_at") / 1000 if is_ours else 0)
            self._position.labels(label).set(_number(row, "inbound_position"))
        self._shown = set(rows)


def _number(row: Mapping[str, object], name: str) -> int:
    found = row.get(name, 0)
    return found if isinstance(found, int) else 0
