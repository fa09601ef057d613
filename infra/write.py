"""
Write the files here that are made from the program: dashboard, alert rules, topic definitions.

    python -m infra.write
"""

import sys
from pathlib import Path
from typing import Final

from infra.grafana.alerts import write_alerts
from infra.grafana.dashboard import write_dashboard
from infra.topics.definitions import write_commands, write_resources
from switch.apps.log_settings import LogSettings

HERE: Final = Path(__file__).resolve().parent


def list_files() -> dict[Path, str]:
    """Return path -> content of every written file."""
    log = LogSettings()
    return {
        HERE / "grafana" / "dashboard.json": write_dashboard(),
        HERE / "grafana" / "alerts.yaml": write_alerts(),
        HERE / "topics" / "topics.sh": write_commands(log),
        HERE / "topics" / "strimzi.yaml": write_resources(log),
    }


def main() -> int:
    """Write them; return the exit code."""
    for path, content in list_files().items():
        path.write_text(content, encoding="utf-8")
        print(path.relative_to(HERE.parent))
    return 0


if __name__ == "__main__":
    sys.exit(main())
