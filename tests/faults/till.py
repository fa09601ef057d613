"""A terminal on a plain socket, well behaved or not."""

import contextlib
import socket

from loadtest.frames import DIALECT, make_templates, read_answer, verify_answer
from loadtest.terminal_list import TerminalSpec
from loadtest.told import Told
from switch.codec import Message, load_dialect
from switch.security.mac import MacKey
from tests.faults.stand import DEMO_PAN, MERCHANT, now_ms

UNIONPAY = load_dialect(DIALECT)
DEMO_SPEC = TerminalSpec(
    acquirer="00000001",
    merchant_id=MERCHANT,
    terminal_id="00000001",
    batch="000001",
    mak="1C1C1C1C1C1C1C1C",
    pan=DEMO_PAN,
)
ANSWER_WITHIN_S = 25.0  # more than any terminal deadline that these tests wait for
CLOSED = b""


class Till:
    """Sends frames of one terminal and reads answers, each over the connection it has now."""

    def __init__(self, address, spec=DEMO_SPEC):
        self.address = address
        self.spec = spec
        self.templates = make_templates(UNIONPAY, spec)
        self.told = []
        self.socket = None
        self.patience_s = ANSWER_WITHIN_S

    def __enter__(self):
        self.connect()
        return self

    def __exit__(self, *_error):
        self.hang_up()

    def connect(self):
        self.hang_up()
        self.socket = socket.create_connection(self.address, self.patience_s)

    def hang_up(self):
        if self.socket is not None:
            self.socket.close()
            self.socket = None

    def send(self, frame):
        self.socket.sendall(frame)

    def sale(self, amount_minor, stan):
        return self.templates.sale.build(amount_minor, stan)

    def reversal(self, amount_minor, stan):
        return self.templates.reversal["98"].build(amount_minor, stan)

    def read_frame(self):
        """Return the next frame, CLOSED at the end of the connection, None if nothing comes."""
        head = self._read(2)
        if not head:
            return head
        return self._read(int.from_bytes(head, "big"))

    def _read(self, size):
        content = b""
        try:
            while len(content) < size:
                part = self.socket.recv(size - len(content))
                if not part:
                    return CLOSED
                content += part
        except TimeoutError:
            return None
        except ConnectionError:
            return CLOSED
        return content

    def pay(self, amount_minor, stan, kind="sale"):
        """Send a sale, wait for its answer and remember it; None for silence or a dead line."""
        return self._ask(self.sale(amount_minor, stan), amount_minor, stan, kind)

    def reverse(self, amount_minor, stan):
        return self._ask(self.reversal(amount_minor, stan), amount_minor, stan, "reversal")

    def _ask(self, frame, amount_minor, stan, kind):
        heard, mac_valid = None, None
        with contextlib.suppress(OSError):
            if self.socket is None:
                self.connect()
            self.send(frame)
            answer = self.read_frame()
            if answer:
                heard = read_answer(UNIONPAY, answer)
                mac_valid = verify_answer(self.templates, answer, UNIONPAY.mac_length)
        if heard is None:
            self.hang_up()
        self.told.append(self._tell(kind, amount_minor, stan, heard, mac_valid=mac_valid))
        return heard

    def _tell(self, kind, amount_minor, stan, heard, *, mac_valid):
        return Told(
            kind=kind,
            acquirer=self.spec.acquirer,
            merchant_id=self.spec.merchant_id,
            terminal_id=self.spec.terminal_id,
            batch=self.spec.batch,
            stan=f"{stan:06d}",
            amount_minor=amount_minor,
            at=now_ms(),
            response_code=heard.response_code if heard else "",
            rrn=heard.rrn if heard else "",
            authorization_id=heard.authorization_id if heard else "",
            mac_valid=mac_valid,
        )

    def encode(self, mti, fields, *, mac=None):
        """Frame any message under this terminal's key."""
        key = MacKey(self.spec.mac_algorithm, bytes.fromhex(self.spec.mak))
        unsigned = UNIONPAY.encode(Message(mti, {**fields, "mac": bytes(8)}))[:-8]
        return frame_of(unsigned + (mac or key.compute(unsigned)))


def frame_of(message, tpdu="6000060000", header="603100311003"):
    """Put length, TPDU and header before a message."""
    content = bytes.fromhex(tpdu + header) + message
    return len(content).to_bytes(2, "big") + content
