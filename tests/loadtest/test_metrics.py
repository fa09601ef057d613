import http.server
import threading

import pytest

from loadtest.instance import Instance
from loadtest.metrics import read_metric, read_metrics, read_status

PAGE = b"""# HELP switch_lag Records.
switch_lag{partition="0"} 3.0
switch_lag{partition="1"} 0.0
switch_lag_total 7.0
"""


class Answers(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        is_known = self.headers.get("Authorization") == "Bearer secret"
        is_metrics = self.path == "/metrics"
        self.send_response(200 if is_metrics or is_known else 401)
        self.end_headers()
        self.wfile.write(PAGE if is_metrics else b'{"ready": true}')

    def log_message(self, *_):
        pass


@pytest.fixture
def instance(tmp_path):
    server = http.server.HTTPServer(("127.0.0.1", 0), Answers)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    (tmp_path / "keys").mkdir()
    yield Instance(tmp_path, {"http": f"127.0.0.1:{server.server_address[1]}"})
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_metric_is_read_by_its_labels(instance):
    want = {'{partition="0"}': 3.0, '{partition="1"}': 0.0}
    assert read_metrics(instance, "switch_lag") == want
    assert read_metric(instance, "switch_lag", '{partition="0"}') == 3.0
    assert read_metric(instance, "switch_lag_total") == 7.0
    assert read_metric(instance, "switch_other") == 0.0


def test_the_status_is_for_the_operator(instance, tmp_path):
    (tmp_path / "keys" / "operator.token").write_text("wrong\n")
    with pytest.raises(OSError, match="401"):
        read_status(instance)
    (tmp_path / "keys" / "operator.token").write_text("secret\n")
    assert read_status(instance) == {"ready": True}
