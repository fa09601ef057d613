#!/bin/sh
# Written by `make docs`: what `switch topics create` makes with the default settings.
# The count of partitions is fixed for ever; `switch topics check` looks at what is there.
# BOOTSTRAP: host:port of a broker; CLIENT: a client's properties file
set -eu
kafka-topics.sh --bootstrap-server "$BOOTSTRAP" --command-config "$CLIENT" --create --if-not-exists --topic switch-inbound --partitions 4 --replication-factor 3 \
  --config min.insync.replicas=2 \
  --config unclean.leader.election.enable=false \
  --config max.message.bytes=1048588 \
  --config cleanup.policy=delete \
  --config retention.ms=86400000 \
  --config retention.bytes=-1 \
  --config segment.ms=3600000
kafka-topics.sh --bootstrap-server "$BOOTSTRAP" --command-config "$CLIENT" --create --if-not-exists --topic switch-journal --partitions 4 --replication-factor 3 \
  --config min.insync.replicas=2 \
  --config unclean.leader.election.enable=false \
  --config max.message.bytes=1048588 \
  --config cleanup.policy=delete \
  --config retention.ms=-1 \
  --config retention.bytes=-1
kafka-topics.sh --bootstrap-server "$BOOTSTRAP" --command-config "$CLIENT" --create --if-not-exists --topic switch-registry --partitions 1 --replication-factor 3 \
  --config min.insync.replicas=2 \
  --config unclean.leader.election.enable=false \
  --config max.message.bytes=1048588 \
  --config cleanup.policy=delete \
  --config retention.ms=-1 \
  --config retention.bytes=-1
kafka-topics.sh --bootstrap-server "$BOOTSTRAP" --command-config "$CLIENT" --create --if-not-exists --topic switch-replies --partitions 16 --replication-factor 3 \
  --config min.insync.replicas=2 \
  --config unclean.leader.election.enable=false \
  --config max.message.bytes=1048588 \
  --config cleanup.policy=delete \
  --config retention.ms=600000 \
  --config segment.ms=600000
kafka-topics.sh --bootstrap-server "$BOOTSTRAP" --command-config "$CLIENT" --create --if-not-exists --topic switch-snapshots --partitions 4 --replication-factor 3 \
  --config min.insync.replicas=2 \
  --config unclean.leader.election.enable=false \
  --config max.message.bytes=1048588 \
  --config cleanup.policy=compact \
  --config segment.ms=3600000
kafka-topics.sh --bootstrap-server "$BOOTSTRAP" --command-config "$CLIENT" --create --if-not-exists --topic switch-status --partitions 1 --replication-factor 3 \
  --config min.insync.replicas=2 \
  --config unclean.leader.election.enable=false \
  --config max.message.bytes=1048588 \
  --config cleanup.policy=delete \
  --config retention.ms=600000 \
  --config segment.ms=600000
