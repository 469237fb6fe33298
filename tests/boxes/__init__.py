"""Emulated arm64 boxes on the loopback interface, to deploy to: see Rack.

rack.py starts them and is what tests use; layout.py says what is on one; keeper.py is the one process with root's
rights per box, and init.py the first process inside it. relay.py is a bad network.
"""

from tests.boxes.rack import Answer, Box, Kind, Rack
from tests.boxes.relay import Relay

__all__ = ["Answer", "Box", "Kind", "Rack", "Relay"]
