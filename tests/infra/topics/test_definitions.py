import shlex
from itertools import pairwise

import pytest
import yaml

from infra.topics.definitions import list_topics, write_commands, write_resources
from switch.adapters.kafka_topic_check import TopicFound, check_topic
from switch.apps.log_settings import LogSettings, make_topic_wishes
from switch.eventlog.port import LOG_NAMES, SIDE_LOG_NAMES

LOG = LogSettings()


def read_commands():
    """Return topic -> (partition count, copies, settings) of the shell script."""
    found = {}
    text = write_commands(LOG).replace("\\\n", " ")
    for line in text.splitlines():
        if line.startswith("kafka-topics.sh"):
            words = shlex.split(line)
            after = dict(pairwise(words))
            settings = [word.partition("=") for flag, word in pairwise(words) if flag == "--config"]
            found[after["--topic"]] = (
                int(after["--partitions"]),
                int(after["--replication-factor"]),
                {key: value for key, _, value in settings},
            )
    return found


def read_resources():
    return {
        one["metadata"]["name"]: (
            one["spec"]["partitions"],
            one["spec"]["replicas"],
            one["spec"]["config"],
        )
        for one in yaml.safe_load_all(write_resources(LOG))
    }


@pytest.mark.parametrize("read", [read_commands, read_resources])
def test_every_topic_is_defined_as_the_program_makes_it(read):
    assert read() == {
        name: (count, LOG.replication_factor, settings)
        for name, (count, settings) in list_topics(LOG).items()
    }


@pytest.mark.parametrize("log", [*LOG_NAMES, *SIDE_LOG_NAMES])
def test_the_switch_would_serve_from_what_is_defined(log):
    count, copies, settings = read_commands()[f"switch-{log}"]
    found = TopicFound(
        log=log, name=f"switch-{log}", copy_counts=[copies] * count, settings=settings
    )
    assert check_topic(found, LOG.partition_count, make_topic_wishes(LOG, makes=False)) == []
