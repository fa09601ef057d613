#!/bin/bash
# Starts one broker; makes its storage the first time. NODE_ID, CLUSTER_ID and VOTERS are given.
set -euo pipefail
properties=/tmp/server.properties
sed "s/@NODE_ID@/${NODE_ID:?}/g" /etc/payment-switch/broker.properties > "$properties"
/opt/kafka/bin/kafka-storage.sh format --ignore-formatted --cluster-id="${CLUSTER_ID:?}" \
  --initial-controllers="${VOTERS:?}" --config "$properties"
exec /opt/kafka/bin/kafka-server-start.sh "$properties"
